# Reports what a failed attempt has changed, and cleans up after it. $1 root, $2 name of the staging
# directory, $3 target, $4 “release” for a release that was being built: it is removed, unless it is
# in service. $5 our own data: “finished” when all was done.
resolve "$3"
cd -P -- "$1" 2>/dev/null || { say end -; exit 0; }
stage=./$2
if [ "$4" = release ]; then
    here=$(pwd -P)
    [ "$(cd -P -- "$t" 2>/dev/null && pwd -P)" != "$here" ] || die current
    cd / && discard "$here" || die cleanup
    say end -
    exit 0
fi
unfinished=
if [ -f .git_release ]; then unfinished=$(sed -n 5p .git_release); fi
large=
content .deployer_release
case $text in
"${5%\}}"*)
    # Whole, and with the stage cleared up or being so: it was ended after all was done.
    if [ -z "$unfinished" ] && { [ -f "$stage/walk" ] || [ ! -f "$stage/complete" ]; }; then
        rm -rf -- "$stage" || die cleanup
        say finished yes
        say end -
        exit 0
    fi
    ;;
esac
if ! exists "$stage"; then
    say gone yes
    say end -
    exit 0
fi
# A file of the stage is in place when it has a second name, and that is its place.
if [ -d "$stage/tree" ]; then
    (cd "$stage/tree" && find . ! -type d -links 1 -printf 'left %P\0')
    (cd "$stage/tree" && find . -type f -links +1 -print0) | xargs -0r -n 500 sh -c '
        tree=$1; shift
        for p do
            if [ ! "$tree/$p" -ef "$p" ]; then
                printf "left %s\0" "${p#./}"
                # cp was ended between giving it a name and the right one.
                find "${p%/*}" -maxdepth 1 -name "Cu??????" -samefile "$tree/$p" -exec rm -f -- {} +
            fi
        done' sh "$stage/tree"
fi
if [ -d "$stage/swap" ]; then
    (cd "$stage/swap" && find . ! -type d -printf 'left %P\0')
fi
for list in clear delete; do
    if [ -f "$stage/lists/$list" ]; then
        xargs -0r -n 500 sh -c 'for p do
            if [ -e "$p" ] || [ -h "$p" ]; then printf "still %s\0" "${p#./}"; fi
        done' sh <"$stage/lists/$list"
    fi
    if [ -f "$stage/lists/$list-directories" ]; then
        xargs -0r -n 500 sh -c 'for p do
            if [ -d "$p" ] && [ ! -h "$p" ]; then printf "still %s\0" "${p#./}"; fi
        done' sh <"$stage/lists/$list-directories"
    fi
done
if [ -f "$stage/lists/directories" ]; then
    xargs -0r -n 500 sh -c 'for p do
        if [ ! -d "$p" ] || [ -h "$p" ]; then printf "missing %s\0" "${p#./}"; fi
    done' sh <"$stage/lists/directories"
fi
for modes in "$stage"/lists/mode-*; do
    [ -f "$modes" ] || continue
    xargs -0r -n 500 sh -c 'm=$1; shift
        find "$@" -maxdepth 0 -perm "$m" -printf "set %p\0" 2>/dev/null' sh "${modes##*/mode-}" <"$modes"
done
[ -z "$unfinished" ] || say unfinished yes
rm -rf -- "$stage" || die cleanup
say end -
