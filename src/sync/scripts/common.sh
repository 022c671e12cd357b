# Every script of this folder begins with this. POSIX sh; GNU find, tar and coreutils. Answers are
# records “KEY VALUE” ended by NUL; a refusal is “error WORD” and exit status 71. Paths from outside
# are absolute or begin with “./”, so none reads as an option.
LC_ALL=C
export LC_ALL
unset CDPATH TAR_OPTIONS GZIP GREP_OPTIONS GREP_COLOR GREP_COLORS POSIXLY_CORRECT BLOCKSIZE BLOCK_SIZE
# What we make can be read by every account, whatever this one's profile says.
umask 022

say() {
    printf '%s %s\0' "$1" "$2"
}

die() {
    say error "$1"
    say inodes "$(stat -f -c '%c %d' -- "${root:-${above_t:-.}}" 2>/dev/null)"
    exit 71
}

# Sets $t to the target and $above_t to the directory it is in; “~/” is the user's home.
resolve() {
    case $1 in
    '~/'*) t=${HOME%/}/${1#??} ;;
    *) t=$1 ;;
    esac
    above_t=${t%/*}
    [ -n "$above_t" ] || above_t=/
}

# The records of the tree in the current directory, in find's order. $1: kept, $2: above, $3: names
# of what is kept (expressions). $as is “exec” where a process of its own runs this. $private: an
# expression that comes first.
as=
private=
records() {
    $as find . -mindepth 1 -regextype posix-extended \
        -name "$3" -regex "$1" -prune -o \
        $private \
        -type f -printf 'f %m %s %T@ %P\0' -o \
        -type d \( -regex "$2" -o -printf 'd %P\0' \) -o \
        -type l -printf 'l %P//%l\0' -o \
        ! -type d -printf 'o %P\0'
}

# Sets $walk to the sum of the records of the tree in the current directory in find's order, which
# is the same as long as nobody touches the tree.
walk() {
    walk=$(
        as=exec
        records "$1" "$2" "$3" | sha256sum
    )
    walk=${walk%% *}
}

# Sets $sum to the digest of the tree in the current directory, and $walk as well, from one walk.
# $4: a new file for the records.
digest() {
    (as=exec && records "$1" "$2" "$3") >"$4" || [ -s "$4" ] || die marker
    walk=$(exec sha256sum <"$4")
    walk=${walk%% *}
    sum=$(sort -z -- "$4" | sha256sum)
    sum=${sum%% *}
}

# Sets $data to our own data $1, which is a JSON object, with $walk in it.
with_walk() {
    data="${1%\}},\"walk\":\"$walk\"}"
}

# Sets $text to what is in file $1, or to nothing. Ours are small, and then the shell reads them
# itself, as a process for each would take longer; $large tells that some are not.
content() {
    text=
    [ -f "$1" ] && [ ! -h "$1" ] || return 0
    if [ -n "$large" ]; then
        text=$(head -c 4096 "$1")
        return 0
    fi
    while IFS= read -r line || [ -n "$line" ]; do
        text="$text$line
"
    done <"$1"
}

exists() {
    [ -e "$1" ] || [ -h "$1" ]
}

# Writes file $1 in the current directory, whole or not at all, with content $2.
put() {
    if exists ./.deployer-staging-marker; then rm -rf ./.deployer-staging-marker; fi
    printf '%s' "$2" >./.deployer-staging-marker && mv -fT ./.deployer-staging-marker "./$1"
}

# Whether something is mounted in $1, or $1 somewhere else: removing it would delete what is not ours.
mounted() {
    grep -qF -- " $1/" /proc/self/mountinfo 2>/dev/null
}

# Removes $1 and everything in it. Directories of ours that a script made read-only are made
# writable first.
remove() {
    if mounted "$1"; then
        echo "something is mounted in it" >&2
        return 1
    fi
    rm -rf -- "$1" 2>/dev/null || {
        find "$1" -type d ! -perm -700 -exec chmod u+rwx -- {} \; 2>/dev/null
        rm -rf -- "$1"
    }
}

# Removes release $1. It is renamed first: what is half removed must never be taken for a release.
# What cannot be removed stays under that name, for the next pruning.
discard() {
    discarded=${1%/*}/.deleted_${1##*/}
    while exists "$discarded"; do discarded=${discarded}_; done
    mv -T -- "$1" "$discarded" || return 1
    remove "$discarded" 2>/dev/null || :
}

# Says which of the programs that these scripts need are not there.
tools() {
    for tool in find sort sha256sum tar xargs stat mv cp ln rm mkdir rmdir chmod head cat sed tr grep readlink sleep; do
        command -v "$tool" >/dev/null 2>&1 || say missing "$tool"
    done
}
