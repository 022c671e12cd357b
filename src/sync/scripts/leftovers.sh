# Ends the processes of an abandoned deployment, and removes what it has left. $1 target, $2 name of
# the releases' directory, $3 deployment, $4 seconds to wait before ending it, $5 and $6 the beginning and
# the end of the word that shells which watch over scripts carry, the rest: scripts, as they were called.
# Answers “ended PROCESS”, “removed PATH”, “left PATH” and “watcher PROCESS”, or “running PROCESS” for what
# cannot be ended: then nothing is removed. What is in service, and a release that is complete, stays.
resolve "$1"
here=$(cd -P -- "$t" 2>/dev/null && pwd -P)
beside=$(cd -P -- "$above_t/$2" 2>/dev/null && pwd -P)

# Whether process directory $1 works below the target or the releases, or began there. Another
# installation may have a deployment of the same number, elsewhere.
is_here() {
    for at in "$(readlink -- "$1/cwd")" "$(tr '\0' '\n' <"$1/environ" 2>/dev/null | sed -n 's/^PWD=//p')"; do
        case $at/ in
        "${here:-//}"/* | "${beside:-//}"/* | "$t"/* | "$above_t/$releases"/*) return 0 ;;
        esac
    done
    return 1
}

# Prints the processes. Patterns come through a pipe: by its arguments grep would find itself.
running() {
    for file in $(printf 'DEPLOYER_DEPLOYMENT_ID=%s' "$id" | grep -slzxF -f - /proc/[0-9]*/environ); do
        p=${file%/*}
        if printf '%s' "$scripts" | grep -sqzxF -f - "$p/cmdline" && is_here "$p"; then echo "${p##*/}"; fi
    done
    for file in $(printf '.deployer-staging-%s' "$id" | grep -slzxF -f - /proc/[0-9]*/cmdline); do
        p=${file%/*}
        if is_here "$p"; then echo "${p##*/}"; fi
    done
}

# Names the shells that still wait for the end of a connection to watch over a script.
watchers() {
    for file in $(printf '%s-%s-%s' "$watch" "$id" "$place" | grep -slzxF -f - /proc/[0-9]*/cmdline); do
        file=${file%/*}
        say watcher "${file##*/}"
    done
}

id=$3
patience=$(($4 * 5))
releases=$2
watch=$5
place=$6
shift 6
scripts=$(printf '%s\n' "$@")
while left=$(running) && [ -n "$left" ] && [ "$patience" -gt 0 ]; do
    sleep 0.2
    patience=$((patience - 1))
done
for p in $left; do
    stat=$(cat "/proc/$p/stat" 2>/dev/null) || continue
    # After the name in parentheses: state, parent, group.
    set -- ${stat##*) }
    kill -KILL -"$3" 2>/dev/null
    kill -KILL "$p" 2>/dev/null
    say ended "$p"
done
if [ -n "$left" ]; then
    sleep 0.2
    left=$(running)
    for p in $left; do say running "$p"; done
    if [ -n "$left" ]; then
        watchers
        say end -
        exit 0
    fi
fi
set -- "$t" "$releases" "$id"

gone() {
    if exists "$1"; then say left "$1"; else say removed "$1"; fi
}
link=$above_t/.deployer-link-${t##*/}-$3
if [ -h "$link" ]; then
    rm -f -- "$link"
    gone "$link"
fi
live=$(cd -P -- "$t" 2>/dev/null && pwd -P)
day=[0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]
commit=[0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f]
# Unquoted, so that the patterns find names.
for root in "$above_t/$2"/${day}_*_${commit}_"$3"; do
    [ -d "$root" ] && [ ! -h "$root" ] || continue
    [ "$(cd -P -- "$root" && pwd -P)" != "$live" ] || continue
    # What is being staged in it proves that it is ours and unfinished, whatever its marker says:
    # a release begins as a copy of another.
    set -- "$1" "$2" "$3" "$root"/.deployer-staging-*
    if exists "$4"; then
        discard "$root"
        gone "$root"
    elif grep -sq "\"deployment\":$3[,}]" "$root/.deployer_release"; then
        if [ ! -f "$root/.git_release" ] || [ -n "$(sed -n 5p "$root/.git_release")" ]; then
            discard "$root"
            gone "$root"
        fi
    elif rmdir -- "$root" 2>/dev/null; then
        say removed "$root"
    fi
done
for stage in "$t/.deployer-staging-$3" "$t/.deployer-staging-marker"; do
    if exists "$stage"; then
        remove "$stage"
        gone "$stage"
    fi
done
watchers
say end -
