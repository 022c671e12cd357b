# Writes the markers of a tree that is right already. $1 root, $2 marker, $3 our own data.
cd -P -- "$1" || die vanished
put .deployer_release "$3" && put .git_release "$2" || die marker
say end -
