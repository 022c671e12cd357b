# Switches the target to a release, in one rename. $1 target, $2 release, $3 deployment.
resolve "$1"
[ -d "$2" ] && [ ! -h "$2" ] || die vanished
[ -f "$2/.git_release" ] && [ -z "$(sed -n 5p "$2/.git_release")" ] || die unfinished
if [ -h "$t" ]; then
    say previous "$(cd -P -- "$t" 2>/dev/null && pwd -P)"
elif [ -e "$t" ]; then
    die occupied
fi
# Links that a crash left before its rename. The name is unique all the same.
for link in "$above_t/.deployer-link-${t##*/}-"*; do
    [ ! -h "$link" ] || rm -f -- "$link"
done
link=$above_t/.deployer-link-${t##*/}-$3
ln -s -- "$2" "$link" || die switch
[ "$(readlink -- "$link")" = "$2" ] || die switch
mv -fT -- "$link" "$t" || {
    rm -f -- "$link"
    die switch
}
[ "$(readlink -- "$t")" = "$2" ] || die switch
say end -
