# Makes a tree what it should be, from what was staged in it, and checks that it is.
# $1 root, $2 name of the staging directory, $3 base to copy from or “”, $4 digest to reach,
# $5 kept, $6 above, $7 names, $8 marker while it lasts, $9 marker afterwards, ${10} our own data,
# ${11} directory of shared paths, the rest: shared paths.
cd -P -- "$1" || die vanished
stage=./$2
base=$3
goal=$4
kept=$5
above=$6
names=$7
marker=$9
extra=${10}
shared=${11}
[ -d "$stage" ] && [ ! -h "$stage" ] && [ -f "$stage/complete" ] || die incomplete

if [ -n "$base" ]; then
    cp -a --reflink=auto -- "$base/." . || die copy
    for other in ./.deployer-staging-*; do
        [ "$other" = "$stage" ] || rm -rf -- "$other"
    done
fi
if [ -n "$base" ]; then put .deployer_release "$extra" || die marker; fi
put .git_release "$8" || die marker
shift 11

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
remove_files="$safe"'
n=$#
while [ $n -gt 0 ]; do
    p=$1; shift; n=$((n - 1))
    if safe "$p"; then set -- "$@" "$p"; fi
done
[ $# -eq 0 ] || rm -f -- "$@"'
remove_directories="$safe"'
for p do
    if safe "$p" && [ -d "$p" ] && [ ! -h "$p" ]; then
        rmdir --ignore-fail-on-non-empty -- "$p" || exit 255
    fi
done'
set_modes="$safe"'
m=$1; shift; n=$#
while [ $n -gt 0 ]; do
    p=$1; shift; n=$((n - 1))
    if safe "$p" && [ ! -h "$p" ]; then set -- "$@" "$p"; fi
done
[ $# -eq 0 ] || chmod "$m" -- "$@"'
refuse='refuse() {
    echo "$p: a symbolic link stands where a directory should" >&2
    exit 255
}
'
# Directories that are missing here are moved as a whole; those at the top, which are most of them
# the first time, in one go. One that is here after all is left for “link”.
move_directories="$safe$refuse"'
tree=$1; shift; n=$#
while [ $n -gt 0 ]; do
    p=$1; shift; n=$((n - 1))
    safe "$p" || refuse
    if [ -h "$p" ] || { [ -e "$p" ] && [ ! -d "$p" ]; }; then rm -f -- "$p" || exit 255; fi
    if [ -d "$p" ]; then continue; fi
    case $p in
    ./*/*) mv -T -- "$tree/$p" "$p" || exit 255 ;;
    *) set -- "$@" "$tree/$p" ;;
    esac
done
[ $# -eq 0 ] || mv -t . -- "$@" || exit 255'
# One directory at a time. They come sorted, so that each is settled before what is in it.
place="$safe$refuse"'
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
        mv -T -- "$tree/$p" "$p" || exit 255
        continue
    fi
    set -- "$tree/$p"/* "$tree/$p"/.[!.]* "$tree/$p"/..?*
    if [ $# -lt 500 ]; then
        move "$p" "$@" || exit 255
    else
        find "$tree/$p" -mindepth 1 -maxdepth 1 ! -type d -print0 | xargs -0r mv -f -t "$p" -- || exit 255
    fi
done'

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
    (umask 0 && unset POSIXLY_CORRECT && exec cp -rPlf -- "$stage/tree/." . 2>/dev/null) || place_all tree
}

# Runs script $2, with the arguments that follow, over the paths in list $1.
over() {
    list=$stage/lists/$1
    shift
    [ ! -s "$list" ] || xargs -0r -n 500 sh -c "$@" <"$list"
}

over clear "$remove_files" sh || die clear
over clear-directories "$remove_directories" sh || die clear
over directories "$move_directories" sh "$stage/tree" || die move
if [ -d "$stage/tree" ]; then link || die move; fi
place_all swap || die move
for modes in "$stage"/lists/mode-*; do
    [ -f "$modes" ] || continue
    over "${modes##*/}" "$set_modes" sh "${modes##*/mode-}" || die modes
done
over delete "$remove_files" sh || die delete
over delete-directories "$remove_directories" sh || die delete

eval "$safe"
for path do
    p=${path%/}
    safe "./$p" || die shared
    from=$shared/$p
    mkdir -p -- "$(dirname "./$p")" "$(dirname "$from")" || die shared
    if [ ! -e "$from" ] && [ ! -h "$from" ]; then
        if [ -e "./$p" ] && [ ! -h "./$p" ]; then
            # It was kept inside the releases until now: the copy begins the shared one.
            mv -T -- "./$p" "$from" || die shared
        else
            # A name with a dot and no slash after it reads as a file, which its owner will put there.
            case $path in
            */) mkdir -- "$from" || die shared ;;
            *)
                case ${p##*/} in
                *.*) ;;
                *) mkdir -- "$from" || die shared ;;
                esac
                ;;
            esac
        fi
    fi
    rm -rf -- "./$p" && ln -s -- "$from" "./$p" || die shared
done

digest "$kept" "$above" "$names" "$stage/walk"
if [ "$sum" = "$goal" ]; then
    # Both with one process; a stage that stays behind is in nobody's way until the next one.
    with_walk "$extra"
    printf '%s' "$data" >"$stage/.deployer_release" && printf '%s' "$marker" >"$stage/.git_release" &&
        mv -f -t . -- "$stage/.deployer_release" "$stage/.git_release" || die marker
    # In this order: without “complete” it is known that what is left is being cleared up.
    rm -rf -- "$stage/complete" "$stage"
    say end -
fi
