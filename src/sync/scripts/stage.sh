# Unpacks standard input into a staging directory on the target's file system; changes nothing else.
# $1 target, $2 method, $3 name of the releases' directory, $4 name of the release, $5 name of the
# staging directory, $6 “z” for gzip, $7 our own data, by which a release left unfinished is known again,
# $8 the group that the tree will belong to, or “”.
resolve "$1"
made=
if [ "$2" = symlink ]; then
    mkdir -p -- "$above_t/$3" || die create
    root=$above_t/$3/$4
    if exists "$root"; then
        # Left over from an earlier attempt of the same deployment, unless it is in service.
        if [ "$(cd -P -- "$t" 2>/dev/null && pwd -P)" = "$(cd -P -- "$root" 2>/dev/null && pwd -P)" ]; then
            die current
        fi
        discard "$root" || die create
    fi
    mkdir -- "$root" || die create
    made=$root
else
    root=$t
    [ -d "$root" ] || mkdir -p -- "$root" || die create
fi

undo() {
    cd /
    remove "$root/$5"
    [ -z "$made" ] || remove "$made"
    # Takes the rest, so that the sender hears the reason and not a broken pipe.
    cat >/dev/null
    die "$6"
}

cd -P -- "$root" || die vanished
say root "$PWD"
# Servers are reserved: nobody else stages here now.
for left in ./.deployer-staging-*; do
    if exists "$left"; then remove "$left"; fi
done
[ -z "$made" ] || put .deployer_release "$7" || undo "$1" "$2" "$3" "$4" "$5" create
mkdir -m 700 -- "$5" || undo "$1" "$2" "$3" "$4" "$5" create
if [ -n "$8" ]; then
    # Tried on what is ours alone, before anything else is changed.
    chgrp -- "$8" "./$5" || undo "$1" "$2" "$3" "$4" "$5" group
fi
tar -x"$6" -p -f - -C "./$5" --no-same-owner --warning=no-timestamp ||
    undo "$1" "$2" "$3" "$4" "$5" unpack
# What tar left of it, if anything.
if read -r rest; then cat >/dev/null; fi
[ -f "./$5/complete" ] || undo "$1" "$2" "$3" "$4" "$5" incomplete
say end -
