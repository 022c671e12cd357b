# Whether what follows takes its options. Everything it is pointed at is /dev/null or below it, so that
# nothing is ever changed; complaints about that are expected.
takes() {
    case $("$@" 2>&1 </dev/null) in
    *[Oo]ption* | *'not found'* | *sage:* | *predicate* | *recognized*) return 1 ;;
    esac
}

# Says which of the programs that are there lack what our scripts use of them.
features() {
    while read -r option words; do
        tool=${words%% *}
        command -v "$tool" >/dev/null 2>&1 || continue
        # The words of one line below, which have no patterns and no blanks in them.
        takes $words || say missing "$tool $option"
    done <<'TABLE'
-printf find / -maxdepth 0 -printf _
-regextype find / -maxdepth 0 -regextype posix-extended -regex /
-readable find / -maxdepth 0 -readable -samefile /
-z sort -z /dev/null
-z sha256sum -z /dev/null
--warning tar -cf /dev/null --warning=no-timestamp --no-same-owner -C / -T /dev/null
-0r xargs -0r -n 500 true
-f stat -f -c _%a_%S_%c_%d_%T /
-T mv -fT -- /dev/null/a /dev/null/b
-t mv -f -t /dev/null/b -- /dev/null/a
--parents cp -P --preserve=timestamps --reflink=auto --parents -t /dev/null/b -- /dev/null/a
-rPlf cp -rPlf -- /dev/null/a /dev/null/b
-z head -z -n 1
-m readlink -m -- /
-T ln -sT -- a /dev/null/b
--ignore-fail-on-non-empty rmdir --ignore-fail-on-non-empty -- /dev/null/a
-z grep -slzxF -f - /dev/null
TABLE
    # One that does not know a letter prints it.
    [ "$(stat -c %m / 2>/dev/null)" = / ] || say missing 'stat -c %m'
}
