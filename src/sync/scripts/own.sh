# Notes what deploy.sh of a release has put in the place of links to stores: that is the release's own. $1
# target, $2 the release, $3 “again” after a run, or “” to note it only where that was not done. The rest:
# paths that are kept in a store, four words each (see “stored”).
resolve "$1"
cd -P -- "$2" || die vanished
again=$3
shift 3
large=
content .deployer_release
data=${text%'}'*}
case $data in
'') die vanished ;;
*',"own":['*)
    [ -n "$again" ] || { say end -; exit 0; }
    data=${data%',"own":['*}
    ;;
esac
own=
while [ $# -gt 0 ]; do
    stored "$@"
    if within "$PWD" "$path" && exists "$PWD/$path" && ! leads "$PWD/$path"; then own=$own${own:+,}$json; fi
    shift 4
done
put .deployer_release "$data,\"own\":[$own]}" || die marker
say end -
