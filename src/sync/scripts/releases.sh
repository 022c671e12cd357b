# Lists what is in the releases' directory. $1 target, $2 its name.
# Answers “release NAME/DATA” and “current NAME” for each link beside the target that leads there.
resolve "$1"
cd -P -- "$above_t/$2" 2>/dev/null || { say end -; exit 0; }
here=$(pwd -P)
say directory "$here"
for name in *; do
    [ -d "$name" ] && [ ! -h "$name" ] || continue
    data=
    if [ -f "$name/.deployer_release" ] && [ ! -h "$name/.deployer_release" ]; then
        data=$(head -c 4096 "$name/.deployer_release")
    fi
    marker=
    if [ -f "$name/.git_release" ] && [ ! -h "$name/.git_release" ]; then
        marker=$(head -c 4096 "$name/.git_release")
    fi
    say release "$name"
    say data "$data"
    say marker "$marker"
done
for link in "$above_t"/* "$above_t"/.[!.]*; do
    if [ -h "$link" ] && real=$(cd -P -- "$link" 2>/dev/null && pwd -P) && [ "${real%/*}" = "$here" ]; then
        say current "${real##*/}"
    fi
done
say end -
