# What has to move into a store: a path that outlives the releases, and that one of them still has
# itself. “stored” sets which path it is; $above_t is the directory of the target, $releases that of the
# releases, $live the running one, $ours how our own data names the environment, $deployment what sets
# names apart.

# $1 “shared” or “excluded”, $2 where the store has it (relative to the target's directory), $3 the path in
# a release, $4 the path in JSON.
stored() {
    kind=$1
    store=${above_t%/}/$2
    path=${3%/}
    json=$4
}

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

# Sets $text to our own data of release $1.
data_of() {
    was=$large
    large=
    content "$1/.deployer_release"
    large=$was
}

# Whether deploy.sh of release $1 has put something of the release's own in the place of the link, as was
# noted when it ended. Whatever else stands there was written by the application.
replaced() {
    data_of "$1"
    case $text in
    *'"own":['*"$json"*) return 0 ;;
    esac
    return 1
}

# Sets $near to the directory of the store, or the nearest above it that exists.
nearest() {
    near=${store%/*}
    while [ -n "$near" ] && [ ! -d "$near" ]; do near=${near%/*}; done
    [ -n "$near" ] || near=/
}

# Whether $1 can be renamed into the store: same file system, same mount.
is_near() {
    nearest
    [ "$(stat -c '%d %m' -- "$1")" = "$(stat -c '%d %m' -- "$near/.")" ]
}

# Whether what release $1 has at the path has to move. Sets $at, and $to where that is a link.
belongs() {
    at=$1/$path
    within "$1" "$path" && exists "$at" && ! leads "$at" || return 1
    if replaced "$1" && { [ ! -f "$at" ] || [ -h "$at" ]; }; then return 1; fi
    if [ -h "$at" ]; then
        to=$(readlink -m -- "$at")
        case $to/ in
        "$releases"/*) return 1 ;;
        esac
    fi
}

# Whether the store has something there.
is_taken() {
    exists "$store" || return 1
    [ -d "$store" ] && [ ! -h "$store" ] || return 0
    [ -n "$(find "$store" -mindepth 1 -maxdepth 1 -printf x -quit 2>/dev/null)" ]
}

# Whether release $1 has something at the path that was not there when the release was finished: files that
# the commit brought are no loss. They were there before the marker; what came later is known by when it changed
# on this disk, as a copied file may have an older time of its own.
holds() {
    belongs "$1" && [ ! -h "$at" ] || return 1
    [ -f "$1/.git_release" ] || return 0
    [ "$(stat -c %m -- "$at")" = "$(stat -c %m -- "$1")" ] || return 0
    [ -n "$(find "$at" \( ! -uid "$(id -u)" -o -newercm "$1/.git_release" \) -printf x -quit 2>/dev/null)" ]
}

# Sets $held to the release, apart from the running one, that holds what belongs in an empty store: the one
# that the running release has a link to, or the newest.
holding() {
    held=
    if [ -n "$live" ] && [ -h "$live/$path" ]; then
        to=$(readlink -m -- "$live/$path")
        to=${to#"$releases"/}
        to=$releases/${to%%/*}
        if [ "$to" != "$live" ] && holds "$to"; then
            held=$to
            return 0
        fi
    fi
    newest=0
    for other in "$releases"/*_*_*_*; do
        number=${other##*_}
        case $number in
        '' | *[!0-9]*) continue ;;
        esac
        [ "$number" -gt "$newest" ] && [ -d "$other" ] && [ ! -h "$other" ] && [ "$other" != "$live" ] || continue
        exists "$other/$path" || continue
        data_of "$other"
        case $text in
        *"$ours"*) ;;
        *) continue ;;
        esac
        if holds "$other"; then
            held=$other
            newest=$number
        fi
    done
    [ -n "$held" ]
}

# Whether what is at $at takes the place of what the store has. Shared by several environments perhaps: then
# the newer file is the one that counts.
wins() {
    [ "$kind" = excluded ] || { [ -f "$at" ] && [ "$at" -nt "$store" ]; }
}

free_name() {
    free=$store.replaced-$deployment
    while exists "$free"; do free=${free}_; done
}

word() {
    case $1 in
    *[!A-Za-z0-9_./-]*) printf "'%s'" "$(printf %s "$1" | sed "s/'/'\\\\''/g")" ;;
    *) printf %s "$1" ;;
    esac
}

# Prints the command that moves $1 into the store. Whoever may do that is root perhaps; the store is ours.
by_hand() {
    nearest
    missing=
    above=${store%/*}
    while [ -n "$above" ] && [ "$above" != "$near" ]; do
        missing="$(word "$above") $missing"
        above=${above%/*}
    done
    [ -z "$missing" ] || printf %s "install -d -o $(id -u) -g $(id -g) $missing&& "
    if exists "$store"; then
        free_name
        printf %s "mv $(word "$store") $(word "$free") && "
    fi
    printf '%s\n' "mv $(word "$1") $(word "$store") && ln -s $(word "$store") $(word "$1")"
}

# The same, for what no store waits for: it goes beside what the store has.
aside_by_hand() {
    if is_taken; then
        free_name
        printf '%s\n' "mv $(word "$1") $(word "$free")"
    else
        by_hand "$1"
    fi
}
