# The listing of a tree. $1 its directory, $2 kept, $3 above, $4 names, $5 “contents” to add hashes.
# A file that we may not read is listed as something else, since it cannot be copied. What is in a
# directory that we may not read is left out.
cd -P -- "$1" || die vanished
private='-type f ! -readable -printf o\040%P\0 -o'
records "$2" "$3" "$4"
[ $? -le 1 ] || die unreadable
if [ "$5" = contents ]; then
    printf 'hashes\0'
    find . -mindepth 1 -regextype posix-extended -regex "$2" -prune -o -type f -readable -print0 |
        xargs -0r sha256sum -z -- || die unreadable
fi
