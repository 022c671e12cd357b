# Removes the link that a deployment made where there was none before. $1 target, $2 name of the
# releases' directory, $3 deployment.
resolve "$1"
real=$(cd -P -- "$t" 2>/dev/null && pwd -P)
beside=$(cd -P -- "$above_t/$2" 2>/dev/null && pwd -P)
case $real in
"${beside:-//}"/*_"$3")
    if [ -h "$t" ]; then rm -f -- "$t" || die switch; fi
    ;;
esac
say end -
