# What stands at the target. $1 target, $2 kept, $3 above, $4 method, $5 name of the releases' directory.
resolve "$1"
say target "$t"
for tool in find sort sha256sum tar xargs stat mv cp head readlink; do
    command -v "$tool" >/dev/null 2>&1 || say missing "$tool"
done
find / -maxdepth 0 -printf '' 2>/dev/null || say missing "GNU find"
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

releases=
if [ -d "$above_t/$5" ]; then
    releases=$(cd -P -- "$above_t/$5" && pwd -P)
fi

if [ -d "$t" ] && cd -P -- "$t"; then
    here=$(pwd -P)
    say resolved "$here"
    if [ -n "$releases" ] && [ "${here%/*}" = "$releases" ]; then
        say ours yes
    fi
    for file in .git_release .deployer_release; do
        if [ -f "$file" ] && [ ! -h "$file" ]; then
            say "$file" "$(head -c 4096 "$file")"
        fi
    done
    # Somebody else's directory may be anything, “/” included: only ours is worth a walk.
    if [ "$4" = in_place ] || [ "${here%/*}" = "$releases" ]; then
        digest "$2" "$3"
        say digest "$sum"
    fi
fi

# Where new files will be written, or the nearest directory above it that exists.
d=$t
[ "$4" = in_place ] || d=$above_t/$5
while [ ! -d "$d" ]; do
    d=${d%/*}
    [ -n "$d" ] || d=/
done
say space "$(stat -f -c '%a %S %c %d %T' "$d")"
[ "$4" = in_place ] && set -- "$d" || set -- "$d" "$above_t"
for d do
    if [ -d "$d" ] && [ ! -w "$d" ]; then
        # Only trying tells why.
        say obstacle "$(mkdir "$d/.deployer-staging-probe" 2>&1 && rmdir "$d/.deployer-staging-probe")"
    fi
done
say end -
