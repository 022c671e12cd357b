# Removes releases. $1 the releases' directory, the rest: names in it, which have no newlines.
# One that a process works in or runs from stays: it would lose files that it has yet to open.
# A rename first: what is half removed can never be taken for a release.
cd -P -- "$1" || die vanished
here=$PWD
shift
rm -rf ./.deleted_*
used=$(find /proc/[0-9]*/cwd /proc/[0-9]*/root /proc/[0-9]*/exe -maxdepth 0 -printf '%l/\n' 2>/dev/null)
for name do
    case "
$used" in
    *"
$here/$name/"*) continue ;;
    esac
    mv -T -- "./$name" "./.deleted_$name" && rm -rf -- "./.deleted_$name" || die delete
    say removed "$name"
done
say end -
