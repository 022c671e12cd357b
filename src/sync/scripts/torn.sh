# Marks a tree as complete whose marker calls it unfinished and that was found to be complete. $1 root, $2 the
# marker, $3 our own data or “” where that is right already, $4 the commit it was being changed to.
cd -P -- "$1" || die vanished
[ -n "$(sed -n 5p .git_release)" ] && [ "$(sed -n 2p .git_release)" = "$4" ] || exit 0
if [ -n "$3" ]; then put .deployer_release "$3" || die marker; fi
put .git_release "$2" || die marker
say end -
