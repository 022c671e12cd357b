# Checks that a tree is right already, and writes its markers. $1 root, $2 marker, $3 our own data,
# $4 its digest, $5 kept, $6 above, $7 names, $8 the sum that a walk over the tree had when that was
# its digest, or “”.
cd -P -- "$1" || die vanished
walk=
if [ -n "$8" ]; then walk "$5" "$6" "$7"; fi
if [ -z "$8" ] || [ "$walk" != "$8" ]; then
    stage=./.deployer-staging-mark
    rm -rf -- "$stage" && mkdir -m 700 -- "$stage" || die marker
    digest "$5" "$6" "$7" "$stage/walk"
    rm -rf -- "$stage"
    [ "$sum" = "$4" ] || exit 0
fi
with_walk "$3"
put .deployer_release "$data" && put .git_release "$2" || die marker
say end -
