# Switches the target to a release, in one rename. $1 target, $2 release, $3 deployment, $4 name of
# the releases' directory, $5 “back” to go back even if paths cannot be moved into the stores, $6 how our
# own data names the environment. The rest: paths that are kept in a store, four words each: “shared” or
# “excluded”, where the store has it (relative to the target's directory), the path in a release, the path
# in JSON. Answers “moved” and “aside”, each with the path and then “to”; “passed” with the path that the
# release has a link to instead, and then “by” with a command; and “stays” with the path.
resolve "$1"
[ -d "$2" ] && [ ! -h "$2" ] || die vanished
[ -f "$2/.git_release" ] && [ -z "$(sed -n 5p "$2/.git_release")" ] || die unfinished
live=
releases=$(cd -P -- "$above_t/$4" 2>/dev/null && pwd -P)
if [ -h "$t" ]; then
    previous=$(cd -P -- "$t" 2>/dev/null && pwd -P)
    say previous "$previous"
    if [ "${previous%/*}" = "$releases" ]; then live=$previous; fi
elif [ -e "$t" ]; then
    die occupied
fi
release=$2
deployment=$3
back=$5
ours=$6
large=
shift 6

# Renames; never copies.
rename() {
    if [ -z "$options" ]; then
        options=-T
        if mv --no-copy --version >/dev/null 2>&1; then options='-T --no-copy'; fi
    fi
    mv $options -- "$1" "$2"
}
options=

# $1 cannot be moved into the store. Going back, it stays in service where it is.
refuse() {
    [ -n "$back" ] || {
        by_hand "$1" >&2
        die apart
    }
    serve=$1
    say passed "$1"
    say by "$(by_hand "$1")"
    return 1
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
    belongs "$1" || return 0
    if [ ! -h "$at" ] && ! is_near "$at"; then
        refuse "$at" || return 0
    fi
    if exists "$store" && ! rmdir -- "$store" 2>/dev/null; then
        wins || return 0
        aside "$store" || refuse "$at" || return 0
    fi
    if [ -h "$at" ]; then
        ln -s -- "$to" "$store" && rm -f -- "$at" && ln -s -- "$store" "$at" || die shared
    elif rename "$at" "$store" 2>/dev/null; then
        ln -s -- "$store" "$at" || die shared
    else
        refuse "$at" || return 0
    fi
    say moved "$at"
    say to "$store"
}

# Links what serves the path into release $1, if there is nothing yet or only an earlier copy. A link to
# another release is ours: that one had what could not be moved then.
link() {
    at=$1/$path
    within "$1" "$path" && [ "$at" != "$serve" ] && [ "$(readlink -- "$at")" != "$serve" ] || return 0
    if [ -h "$at" ]; then
        case $(readlink -- "$at") in
        "$store") ;;
        "$releases"/*) ;;
        *) return 0 ;;
        esac
        rm -f -- "$at" || { say stays "$at"; return 0; }
    fi
    if exists "$at"; then
        if [ ! -f "$at" ] && replaced "$1"; then return 0; fi
        aside "$at" || { say stays "$at"; return 0; }
    fi
    mkdir -p -- "${at%/*}" 2>/dev/null && ln -s -- "$serve" "$at" 2>/dev/null || say stays "$at"
}

while [ $# -gt 0 ]; do
    stored "$@"
    mkdir -p -- "${store%/*}" || [ -n "$back" ] || die shared
    serve=$store
    if [ -n "$live" ]; then adopt "$live"; fi
    if [ "$serve" = "$store" ] && ! is_taken && [ -n "$releases" ] && holding; then adopt "$held"; fi
    if [ "$serve" = "$store" ] && ! exists "$store"; then adopt "$release"; fi
    if [ "$serve" = "$store" ] && ! exists "$store"; then
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
