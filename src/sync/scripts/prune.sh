# Removes releases. $1 the releases' directory, the rest: names in it, which have no newlines.
# One that a process works in or runs from stays: it would lose files that it has yet to open.
# Answers “removed NAME”, and “left PATH (WHY)” for what the next pruning has to try again.
cd -P -- "$1" || die vanished
here=$PWD
shift
for old in "$here"/.deleted_*; do
    if exists "$old"; then remove "$old" 2>/dev/null; fi
done
used=$(find /proc/[0-9]*/cwd /proc/[0-9]*/root /proc/[0-9]*/exe -maxdepth 0 -printf '%l/\n' 2>/dev/null)
for name do
    case "
$used" in
    *"
$here/$name/"*) continue ;;
    esac
    if mounted "$here/$name"; then
        say left "$here/$name (something is mounted in it)"
    elif why=$(discard "$here/$name" 2>&1); then
        say removed "$name"
    else
        say left "$here/$name ($why)"
    fi
done
for old in "$here"/.deleted_*; do
    if exists "$old"; then say left "$old ($(remove "$old" 2>&1 | head -n 1))"; fi
done
say end -
