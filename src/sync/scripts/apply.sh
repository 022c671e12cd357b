# Updates a tree from what was staged in it, and verifies the result. $1 root, $2 name of the staging
# directory, $3 base to copy from or “”, $4 digest to reach, $5 kept, $6 above, $7 names, $8 marker
# while it lasts, $9 marker afterwards, ${10} our own data, ${11} the target's directory, ${12} the group
# that the tree belongs to, or “”, ${13} the method, the rest: paths that are kept in a store, as “activate” has them. A new release is made of what was sent and
# of the base's files in list “take”: nothing else of the base is opened. If the tree is not the
# expected one at the end, answers “stuck PATH” for what could not be deleted.
cd -P -- "$1" || die vanished
root=$PWD
stage=./$2
base=$3
goal=$4
kept=$5
above=$6
names=$7
marker=$9
extra=${10}
[ -d "$stage" ] && [ ! -h "$stage" ] && [ -f "$stage/complete" ] || die incomplete

# A file or link of the tree takes no place where something is that is kept.
if [ -s "$stage/lists/above" ]; then
    blocked=$(
        xargs -0r -n 500 sh -c 'kept=$1; shift
            for p do
                if [ -d "$p" ] && [ ! -h "$p" ]; then
                    find "$p" -regextype posix-extended -regex "$kept" -print -quit
                fi
            done' sh "$kept" <"$stage/lists/above"
    )
    if [ -n "$blocked" ]; then
        printf '%s\n' "${blocked%%
*}" >&2
        die kept
    fi
fi

put .git_release "$8" || die marker
beside=${11%/}
group=${12}
method=${13}
shift 13

# No parent of $1 may be a symbolic link: what is behind one is not ours.
safe='safe() {
    d=$1
    while :; do
        case $d in
        ./*/*) d=${d%/*} ;;
        *) return 0 ;;
        esac
        if [ -h "$d" ]; then return 1; fi
    done
}
'
# Makes a directory writable that is ours, and that a script made read-only.
open='open() {
    [ -w "$1" ] || chmod u+rwx -- "$1"
}
'
remove_files="$safe$open"'
n=$#
while [ $n -gt 0 ]; do
    p=$1; shift; n=$((n - 1))
    if safe "$p"; then set -- "$@" "$p"; fi
done
[ $# -eq 0 ] || rm -f -- "$@" 2>/dev/null || {
    failed=0
    for p do
        if [ -e "$p" ] || [ -h "$p" ]; then
            open "${p%/*}"
            rm -f -- "$p" || failed=1
        fi
    done
    exit $failed
}'
remove_directories="$safe$open"'
failed=0
for p do
    if safe "$p" && [ -d "$p" ] && [ ! -h "$p" ]; then
        open "${p%/*}"
        rmdir --ignore-fail-on-non-empty -- "$p" || failed=1
    fi
done
exit $failed'
# A file that belongs to somebody else is replaced by a copy of ours.
set_modes="$safe$open"'
m=$1; copy=$2/copy; shift 2; n=$#
while [ $n -gt 0 ]; do
    p=$1; shift; n=$((n - 1))
    if safe "$p" && [ ! -h "$p" ]; then set -- "$@" "$p"; fi
done
[ $# -eq 0 ] || chmod "$m" -- "$@" 2>/dev/null || for p do
    chmod "$m" -- "$p" 2>/dev/null && continue
    open "${p%/*}"
    cp --preserve=timestamps -- "$p" "$copy" && chmod "$m" -- "$copy" && mv -fT -- "$copy" "$p" || exit 255
done'
refuse='refuse() {
    echo "$p: a symbolic link stands where a directory should" >&2
    exit 255
}
'
# Directories that are missing here are moved as a whole; those at the top, which are most of them
# the first time, in one go. One that is here after all is left for “link”.
move_directories="$safe$open$refuse"'
tree=$1; shift; n=$#
while [ $n -gt 0 ]; do
    p=$1; shift; n=$((n - 1))
    safe "$p" || refuse
    if [ -h "$p" ] || { [ -e "$p" ] && [ ! -d "$p" ]; }; then rm -f -- "$p" || exit 255; fi
    if [ -d "$p" ]; then continue; fi
    case $p in
    ./*/*)
        open "${p%/*}"
        mv -T -- "$tree/$p" "$p" || exit 255
        ;;
    *) set -- "$@" "$tree/$p" ;;
    esac
done
[ $# -eq 0 ] || mv -t . -- "$@" || exit 255'
# One directory at a time. They come sorted, so that each is settled before what is in it.
place="$safe$open$refuse"'
# Moves to $1 what follows and is no directory.
move() {
    to=$1
    shift
    n=$#
    while [ $n -gt 0 ]; do
        f=$1; shift; n=$((n - 1))
        if [ -h "$f" ] || { [ -e "$f" ] && [ ! -d "$f" ]; }; then set -- "$@" "$f"; fi
    done
    [ $# -eq 0 ] || mv -f -t "$to" -- "$@"
}
tree=$1; shift
for p do
    [ -d "$tree/$p" ] || continue
    safe "$p" || refuse
    if [ -h "$p" ] || { [ -e "$p" ] && [ ! -d "$p" ]; }; then rm -f -- "$p" || exit 255; fi
    if [ ! -d "$p" ]; then
        open "${p%/*}"
        mv -T -- "$tree/$p" "$p" || exit 255
        continue
    fi
    open "$p"
    set -- "$tree/$p"/* "$tree/$p"/.[!.]* "$tree/$p"/..?*
    if [ $# -lt 500 ]; then
        move "$p" "$@" || exit 255
    else
        find "$tree/$p" -mindepth 1 -maxdepth 1 ! -type d -print0 | xargs -0r mv -f -t "$p" -- || exit 255
    fi
done'

# Directories that the base has too. What is behind a link is not the base's.
make_directories='base=$1; shift
for p do
    if [ -h "$base/$p" ]; then
        echo "$p: a symbolic link stands where a directory should" >&2
        exit 255
    fi
done
exec mkdir -p -- "$@"'

# Copies files of the base, with their bits and times.
take() {
    (cd -P -- "$base" && umask 0 &&
        exec xargs -0r cp -P --preserve=timestamps --reflink=auto --parents -t "$root" --)
}

# Moves what is in directory $1 of the stage into place.
place_all() {
    [ ! -d "$stage/$1" ] ||
        (cd "$stage/$1" && find . -type d -print0) | sort -z | xargs -0r -n 500 sh -c "$place" sh "$stage/$1"
}

# Puts the files of the stage's tree in place, as second names of theirs: one process for all
# directories, while mv would be one for each. GNU cp gives each its name by rename, and enters no
# symbolic link. Where there are no second names (another file system, one without), mv does it.
# Without the umask, directories get the permission bits that they have in the stage.
link() {
    (umask 0 && unset POSIXLY_CORRECT && exec cp -rPlf -- "$stage/tree/." . 2>/dev/null) || {
        # What cp came to is in place: mv refuses to move it onto itself.
        find "$stage/tree" ! -type d -links +1 -delete
        place_all tree
    }
}

# Runs script $2, with the arguments that follow, over the paths in list $1.
over() {
    list=$stage/lists/$1
    shift
    [ ! -s "$list" ] || xargs -0r -n 500 sh -c "$@" <"$list"
}

over clear "$remove_files" sh || die clear
over clear-directories "$remove_directories" sh || die clear
# Directories that only something kept would need.
if [ -s "$stage/lists/above" ]; then
    xargs -0r -n 500 sh -c "$safe"'for p do
        if safe "$p" && [ -d "$p" ] && [ ! -h "$p" ]; then find "$p" -depth -type d -empty -delete; fi
    done' sh <"$stage/lists/above" || die clear
fi
# First of all, as new directories may be inside these.
over hold "$make_directories" sh "$base" || die copy
over directories "$move_directories" sh "$stage/tree" || die move
if [ -d "$stage/tree" ]; then link || die move; fi
place_all swap || die move
if [ -s "$stage/lists/take" ]; then take <"$stage/lists/take" || die copy; fi
for modes in "$stage"/lists/mode-*; do
    [ -f "$modes" ] || continue
    over "${modes##*/}" "$set_modes" sh "${modes##*/mode-}" "$stage" || die modes
done
# What cannot be deleted is told below.
over delete "$remove_files" sh
over delete-directories "$remove_directories" sh

eval "$safe"
while [ $# -gt 0 ]; do
    p=./${3%/}
    if safe "$p" && mkdir -p -- "${p%/*}"; then
        ln -sT -- "$beside/$2" "$p" || die shared
    elif [ "$1" = shared ]; then
        die shared
    fi
    shift 4
done

if [ -n "$group" ]; then
    # What somebody else has put there in place stays theirs.
    find . -mindepth 1 -regextype posix-extended -name "$names" -regex "$kept" -prune -o \
        -user "$(id -u)" ! -group "$group" -exec chgrp -h -- "$group" {} + || die group
    # A release is a directory of ours; a target in place is not.
    if [ "$method" = symlink ]; then chgrp -- "$group" . && chmod g+rx,o= . || die group; fi
fi

digest "$kept" "$above" "$names" "$stage/walk"
if [ "$sum" = "$goal" ]; then
    # Both with one process; a stage that stays behind does no harm until the next one.
    with_walk "$extra"
    printf '%s' "$data" >"$stage/.deployer_release" && printf '%s' "$marker" >"$stage/.git_release" &&
        mv -f -t . -- "$stage/.deployer_release" "$stage/.git_release" || die marker
    # In this order: without “complete” it is known that what is left is being cleared up.
    rm -rf -- "$stage/complete" "$stage"
    say end -
    exit 0
fi
# Paths that another account keeps us from deleting; a path that somebody has created again is not one.
for list in delete delete-directories; do
    over "$list" 'for p do
        if [ -h "$p" ] || [ -e "$p" ]; then
            free=yes
            [ -w "${p%/*}" ] || free=
            [ -h "$p" ] || [ -w "$p" ] || free=
            if [ -d "$p" ] && [ ! -h "$p" ] && { [ ! -r "$p" ] || [ ! -x "$p" ]; }; then
                free=
                # One of ours can be listed the next time.
                chmod u+rwx -- "$p" 2>/dev/null
            fi
            [ -n "$free" ] || printf "stuck %s\0" "${p#./}"
        fi
    done' sh
done
