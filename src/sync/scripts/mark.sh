# Writes the markers of a tree that is right already, once it was seen to be. $1 root, $2 marker,
# $3 our own data, $4 its digest, $5 kept, $6 above.
cd -P -- "$1" || die vanished
digest "$5" "$6"
[ "$sum" = "$4" ] || exit 0
put .deployer_release "$3" && put .git_release "$2" || die marker
say end -
