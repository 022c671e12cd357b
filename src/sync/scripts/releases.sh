# What is in service, and what is in the releases' directory. $1 target, $2 its name. The rest: paths that
# are kept in a store, four words each (see “stored”). Answers “release NAME”, “data …” and “marker …” for
# each directory there, then “holds PATH” and “by COMMAND” for each thing in it that an application wrote
# and that belongs in a store, where it is not the one in service; “current NAME” for each link beside the target that leads to one, and “remains PATH” for each release that could only
# be removed in part.
resolve "$1"
live=
if cd -P -- "$t" 2>/dev/null; then
    live=$PWD
    say resolved "$live"
    large=$(find . -maxdepth 1 -name .git_release -size +8 -printf x)
    content .git_release
    [ -z "$text" ] || say live "$text"
fi
cd -P -- "$above_t/$2" 2>/dev/null || { say end -; exit 0; }
here=$PWD
releases=$here
deployment=by-hand
shift 2

# Says what release $1 holds at the paths that follow.
tell_held() {
    of=$1
    shift
    while [ $# -gt 0 ]; do
        stored "$@"
        if holds "$of"; then
            say holds "$at"
            say by "$(aside_by_hand "$at")"
        fi
        shift 4
    done
}
say directory "$here"
large=$(find . -mindepth 2 -maxdepth 2 \( -name .git_release -o -name .deployer_release \) -size +8 -printf x)
for name in *; do
    [ -d "$name" ] && [ ! -h "$name" ] || continue
    say release "$name"
    content "$name/.deployer_release"
    say data "$text"
    content "$name/.git_release"
    say marker "$text"
    [ "$here/$name" = "$live" ] || tell_held "$here/$name" "$@"
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
