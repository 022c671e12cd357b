# What is in service, and what is in the releases' directory. $1 target, $2 its name.
# Answers “release NAME”, “data …” and “marker …” for each directory there, and “current NAME” for
# each link beside the target that leads to one.
resolve "$1"
if live=$(cd -P -- "$t" 2>/dev/null && pwd -P); then
    say resolved "$live"
    [ ! -f "$live/.git_release" ] || [ -h "$live/.git_release" ] || say live "$(head -c 4096 "$live/.git_release")"
fi
cd -P -- "$above_t/$2" 2>/dev/null || { say end -; exit 0; }
here=$(pwd -P)
say directory "$here"
# Ours are small, and then the shell reads them itself: two processes per release would be most of
# what this costs.
large=$(find . -mindepth 2 -maxdepth 2 \( -name .git_release -o -name .deployer_release \) -size +8 -printf x)
content() {
    text=
    [ -f "$1" ] && [ ! -h "$1" ] || return 0
    if [ -n "$large" ]; then
        text=$(head -c 4096 "$1")
        return 0
    fi
    while IFS= read -r line || [ -n "$line" ]; do
        text="$text$line
"
    done <"$1"
}
for name in *; do
    [ -d "$name" ] && [ ! -h "$name" ] || continue
    say release "$name"
    content "$name/.deployer_release"
    say data "$text"
    content "$name/.git_release"
    say marker "$text"
done
for link in "$above_t"/* "$above_t"/.[!.]*; do
    if [ -h "$link" ] && real=$(cd -P -- "$link" 2>/dev/null && pwd -P) && [ "${real%/*}" = "$here" ]; then
        say current "${real##*/}"
    fi
done
say end -
