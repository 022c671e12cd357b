# Writes our own data anew, beside the marker. $1 root, $2 the data.
cd -P -- "$1" || die vanished
put .deployer_release "$2" || die marker
say end -
