# The listing of a tree. $1 its directory, $2 kept, $3 above, $4 names, $5 “contents” to add hashes.
cd -P -- "$1" || die vanished
records "$2" "$3" "$4"
if [ "$5" = contents ]; then
    printf 'hashes\0'
    find . -mindepth 1 -regextype posix-extended -regex "$2" -prune -o -type f -print0 |
        xargs -0r sha256sum -z -- || die unreadable
fi
