# What is in service, and what is in the releases' directory. $1 target, $2 its name.
# Answers “release NAME”, “data …” and “marker …” for each directory there, “current NAME” for each
# link beside the target that leads to one, and “remains PATH” for each release that could only
# be removed in part.
resolve "$1"
if cd -P -- "$t" 2>/dev/null; then
    say resolved "$PWD"
    large=$(find . -maxdepth 1 -name .git_release -size +8 -printf x)
    content .git_release
    [ -z "$text" ] || say live "$text"
fi
cd -P -- "$above_t/$2" 2>/dev/null || { say end -; exit 0; }
here=$PWD
say directory "$here"
large=$(find . -mindepth 2 -maxdepth 2 \( -name .git_release -o -name .deployer_release \) -size +8 -printf x)
for name in *; do
    [ -d "$name" ] && [ ! -h "$name" ] || continue
    say release "$name"
    content "$name/.deployer_release"
    say data "$text"
    content "$name/.git_release"
    say marker "$text"
done
for name in .deleted_*; do
    if exists "./$name"; then
        say remains "$here/$name"
    fi
done
for link in "$above_t"/* "$above_t"/.[!.]*; do
    if [ -h "$link" ] && real=$(cd -P -- "$link" 2>/dev/null && pwd -P) && [ "${real%/*}" = "$here" ]; then
        say current "${real##*/}"
    fi
done
say end -
