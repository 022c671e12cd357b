# Where paths lead to on this server, through all links. Arguments in threes: a number, the user whose “~” the
# path means or “” for the one who asks, and the path. Answers “at NUMBER PATH” for each that can be told.
while [ $# -gt 0 ]; do
    case $3 in
    '~/'*)
        home=$HOME
        if [ -n "$2" ]; then
            home=$(getent passwd "$2")
            home=${home%:*}
            home=${home##*:}
        fi
        path=${home:+${home%/}/${3#??}}
        ;;
    *) path=$3 ;;
    esac
    [ -z "$path" ] || say at "$1 $(realpath -m -- "$path")"
    shift 3
done
say end -
