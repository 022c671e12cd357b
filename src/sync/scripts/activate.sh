# Switches the target to a release, in one rename. $1 target, $2 release, $3 deployment, $4 name of
# the releases' directory, $5 “back” to go back even if paths cannot be moved into the stores. The
# rest: paths that are kept in a store, four words each: “shared” or “excluded”, where the store has
# it (relative to the target's directory), the path in a release, the path in JSON. Answers “moved”,
# “aside” and “stays”, each followed by the path, and the first two by “to”.
resolve "$1"
[ -d "$2" ] && [ ! -h "$2" ] || die vanished
[ -f "$2/.git_release" ] && [ -z "$(sed -n 5p "$2/.git_release")" ] || die unfinished
live=
if [ -h "$t" ]; then
    previous=$(cd -P -- "$t" 2>/dev/null && pwd -P)
    say previous "$previous"
    releases=$(cd -P -- "$above_t/$4" 2>/dev/null && pwd -P)
    if [ "${previous%/*}" = "$releases" ]; then live=$previous; fi
elif [ -e "$t" ]; then
    die occupied
fi
release=$2
deployment=$3
back=$5
shift 5

# Whether no directory between $1 and $1/$2 is a link: what is behind one is not ours.
within() {
    d=$1/$2
    while d=${d%/*} && [ "$d" != "$1" ]; do
        if [ -h "$d" ]; then return 1; fi
    done
}

# Whether $1 is a link that leads into the store.
leads() {
    [ -h "$1" ] && { [ "$1" -ef "$store" ] || [ "$(readlink -- "$1")" = "$store" ]; }
}

# Whether release $1 was made with a link there: then a script has put something of the release's own
# in its place.
replaced() {
    large=
    content "$1/.deployer_release"
    case $text in
    *'"linked":['*"$json"*) return 0 ;;
    esac
    return 1
}

# Whether $1 can be renamed into the store: same file system, same mount.
is_near() {
    [ "$(stat -c '%d %m' -- "$1")" = "$(stat -c '%d %m' -- "${store%/*}/.")" ]
}

# Renames; never copies.
rename() {
    if [ -z "$options" ]; then
        options=-T
        if mv --no-copy --version >/dev/null 2>&1; then options='-T --no-copy'; fi
    fi
    mv $options -- "$1" "$2"
}
options=

word() {
    case $1 in
    *[!A-Za-z0-9_./-]*) printf "'%s'" "$(printf %s "$1" | sed "s/'/'\\\\''/g")" ;;
    *) printf %s "$1" ;;
    esac
}

# $1 cannot be moved into the store.
refuse() {
    say stays "$1"
    [ -z "$back" ] || return 1
    first=
    if exists "$store"; then
        free_name
        first="mv $(word "$store") $(word "$free") && "
    fi
    echo "${first}mv $(word "$1") $(word "$store") && ln -s $(word "$store") $(word "$1")" >&2
    die apart
}

free_name() {
    free=$store.replaced-$deployment
    while exists "$free"; do free=${free}_; done
}

# Puts $1 aside, beside the store's: nothing is deleted.
aside() {
    free_name
    is_near "$1" && rename "$1" "$free" 2>/dev/null || return 1
    say aside "$1"
    say to "$free"
}

# Moves what release $1 has there into the store, and leaves a link to it in its place.
adopt() {
    at=$1/$path
    within "$1" "$path" && exists "$at" && ! leads "$at" || return 0
    if replaced "$1" && { [ ! -f "$at" ] || [ -h "$at" ]; }; then return 0; fi
    if [ -h "$at" ]; then
        to=$(readlink -m -- "$at")
        case $to/ in
        "$releases"/*) return 0 ;;
        esac
    elif ! is_near "$at"; then
        refuse "$at"
        return 0
    fi
    if exists "$store" && ! rmdir -- "$store" 2>/dev/null; then
        # Shared by several environments perhaps: then the newer file is the one that counts.
        [ "$kind" = excluded ] || { [ -f "$at" ] && [ "$at" -nt "$store" ]; } || return 0
        aside "$store" || { refuse "$at" || return 0; }
    fi
    if [ -h "$at" ]; then
        ln -s -- "$to" "$store" && rm -f -- "$at" && ln -s -- "$store" "$at" || die shared
    elif rename "$at" "$store" 2>/dev/null; then
        ln -s -- "$store" "$at" || die shared
    else
        refuse "$at"
        return 0
    fi
    say moved "$at"
    say to "$store"
}

# Links the path in the store into release $1, if there is nothing yet or only an earlier copy.
link() {
    at=$1/$path
    within "$1" "$path" && ! leads "$at" || return 0
    if [ -h "$at" ]; then return 0; fi
    if exists "$at"; then
        if [ ! -f "$at" ] && replaced "$1"; then return 0; fi
        aside "$at" || { say stays "$at"; return 0; }
    fi
    mkdir -p -- "${at%/*}" 2>/dev/null && ln -s -- "$store" "$at" 2>/dev/null || say stays "$at"
}

while [ $# -gt 0 ]; do
    kind=$1
    store=${above_t%/}/$2
    path=${3%/}
    json=$4
    mkdir -p -- "${store%/*}" || [ -n "$back" ] || die shared
    if [ -n "$live" ]; then adopt "$live"; fi
    if ! exists "$store"; then adopt "$release"; fi
    if ! exists "$store"; then
        # A name with a dot and no slash after it reads as a file, which its owner will put there.
        case $3 in
        */) mkdir -- "$store" || [ -n "$back" ] || die shared ;;
        *)
            case ${path##*/} in
            *.*) ;;
            *) mkdir -- "$store" || [ -n "$back" ] || die shared ;;
            esac
            ;;
        esac
    fi
    if [ -n "$live" ]; then link "$live"; fi
    link "$release"
    shift 4
done

# Removes links that a crash left before its rename. The name of ours is unique anyway.
for link in "$above_t/.deployer-link-${t##*/}-"*; do
    [ ! -h "$link" ] || rm -f -- "$link"
done
link=$above_t/.deployer-link-${t##*/}-$deployment
ln -s -- "$release" "$link" || die switch
[ "$(readlink -- "$link")" = "$release" ] || die switch
mv -fT -- "$link" "$t" || {
    rm -f -- "$link"
    die switch
}
[ "$(readlink -- "$t")" = "$release" ] || die switch
say end -
