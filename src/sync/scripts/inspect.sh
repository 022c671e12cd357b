# Reports what is at the target. $1 target, $2 method, $3 name of the releases' directory, $4 kept,
# $5 above, $6 names, $7 how our own data names the environment. The rest: paths that are kept in a
# store, four words each (see “stored”). It does not check whether the tree is the one its marker claims: the next
# deployment sums its own tree anyway, and one walk over a tree costs more than all the rest.
resolve "$1"
say target "$t"
tools
if command -v gzip >/dev/null 2>&1; then say gzip yes; fi

if [ -h "$t" ]; then
    say kind link
elif [ -d "$t" ]; then
    say kind directory
elif [ -e "$t" ]; then
    say kind other
else
    say kind missing
fi

other=
releases=
live=
if [ -d "$above_t/$3" ] && cd -P -- "$above_t/$3"; then
    releases=$PWD
fi

if [ -d "$t" ] && cd -P -- "$t"; then
    say resolved "$PWD"
    if [ -n "$releases" ] && [ "${PWD%/*}" = "$releases" ]; then
        say ours yes
        live=$PWD
    fi
else
    cd /
fi
large=$(find . -maxdepth 1 \( -name .git_release -o -name .deployer_release \) -size +8 -printf x 2>/dev/null) ||
    other=yes
# Where something was deployed before, the programs did what they have to, and trying them takes longer
# than all the rest.
if [ -n "$other" ] || [ "$PWD" = / ] || [ ! -f .deployer_release ]; then features; fi
if [ "$PWD" != / ]; then
    for file in .git_release .deployer_release; do
        content "$file"
        [ -z "$text" ] || say "$file" "$text"
    done
fi

# Whether $1 may be renamed to another directory: into a directory the new place is written as well.
may_rename() {
    [ -w "${1%/*}" ] && [ -x "${1%/*}" ] || return 1
    if [ -k "${1%/*}" ] && [ ! -O "$1" ] && [ ! -O "${1%/*}" ]; then return 1; fi
    [ -h "$1" ] || [ ! -d "$1" ] || [ -w "$1" ]
}

# Whether the switch to a release will be able to move what is at $at into the store.
is_movable() {
    if is_taken; then
        wins || return 0
        may_rename "$store" || return 1
    fi
    nearest
    [ -w "$near" ] && { [ -h "$at" ] || is_near "$at"; } && may_rename "$at"
}

# What only a person can move, found before anything is sent.
if [ "$2" = symlink ] && [ -n "$releases" ]; then
    (
        deployment=by-hand
        ours=$7
        shift 7
        while [ $# -gt 0 ]; do
            stored "$@"
            if [ -n "$live" ] && belongs "$live"; then
                is_movable || say apart "$(by_hand "$at")"
            elif ! is_taken && holding; then
                at=$held/$path
                is_movable || say apart "$(by_hand "$at")"
            fi
            shift 4
        done
    )
fi

# What is there although nobody has deployed to it: what deploying in place would delete. Markers are
# files; what else has their name is somebody's.
if [ "$2" = in_place ] && [ "$PWD" != / ]; then
    marked=
    for file in .git_release .deployer_release; do
        if [ -f "./$file" ] && [ ! -h "./$file" ]; then
            marked=yes
        elif exists "./$file"; then
            say stranger "$file"
        fi
    done
    [ -n "$marked" ] || find . -mindepth 1 -regextype posix-extended \
        -name "$6" -regex "$4" -prune -o \
        -type d -regex "$5" -o \
        -printf 'stranger %P\0' -prune 2>/dev/null | head -z -n 100
fi

# Where new files will be written, or the nearest directory above it that exists.
d=$t
[ "$2" = in_place ] || d=$above_t/$3
while [ ! -d "$d" ]; do
    if exists "$d" && [ "$d" != "$t" ]; then
        say obstacle "$d is not a directory"
    fi
    d=${d%/*}
    [ -n "$d" ] || d=/
done
if [ -w "$d" ]; then
    say place "$d"
    say identity "$(stat -L -c '%i %z' -- "$d")"
fi
say space "$(stat -f -c '%a %S %c %d %T' "$d")"
[ "$2" = in_place ] && set -- "$d" || set -- "$d" "$above_t"
for d do
    if [ -d "$d" ] && [ ! -w "$d" ]; then
        # Only trying tells why.
        say obstacle "$(mkdir "$d/.deployer-staging-probe" 2>&1 && rmdir "$d/.deployer-staging-probe")"
    fi
done
say end -
