# Removes releases. $1 the releases' directory, the rest: names in it.
# A rename first: what is half removed can never be taken for a release.
cd -P -- "$1" || die vanished
shift
rm -rf ./.deleted_*
for name do
    mv -T -- "./$name" "./.deleted_$name" && rm -rf -- "./.deleted_$name" || die delete
    say removed "$name"
done
say end -
