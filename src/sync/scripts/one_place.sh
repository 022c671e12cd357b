# Whether servers write to one directory: each makes a mark in its own, looks whose marks are there, and
# removes its own. $1 “make”, “look” or “drop”, $2 the directory, $3 a word for this question, $4 the
# server's number. Answers “mark” with each number.
case $1 in
make) (: >"$2/.deployer-staging-$3-$4") || die create ;;
look)
    for mark in "$2/.deployer-staging-$3-"*; do
        if exists "$mark"; then say mark "${mark##*-}"; fi
    done
    ;;
drop) rm -f -- "$2/.deployer-staging-$3-$4" ;;
esac
say end -
