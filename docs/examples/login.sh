#!/bin/sh
# A login plugin of the deployer: names and passwords are checked against a file of lines
#     NAME:HASH:GROUP,GROUP
# whose hashes come from “openssl passwd -6”. Needs jq and openssl. Set it in deployer.toml:
#     [login_plugin]
#     place = "/etc/deployer/login.sh"
# Nothing printed and exit code 0 mean that nobody is known by this name and password.
file=/etc/deployer/passwords

question=$(cat)
field() { printf '%s' "$question" | jq -r ".input.$1 // empty"; }
name=$(field name)
password=$(field password)
[ -n "$name" ] && [ -n "$password" ] || exit 0

# The name is compared as a whole and as text, whatever it holds.
line=$(wanted=$name awk -F: '$1 == ENVIRON["wanted"] { print; exit }' "$file")
[ -n "$line" ] || exit 0
hash=$(printf '%s' "$line" | cut -d: -f2)
groups=$(printf '%s' "$line" | cut -d: -f3)
salt=$(printf '%s' "$hash" | cut -d'$' -f3)

# The password goes through standard input: other accounts see command lines.
given=$(printf '%s\n' "$password" | openssl passwd -6 -salt "$salt" -stdin)
[ "$given" = "$hash" ] || exit 0
jq -cn --arg name "$name" --arg groups "$groups" \
    '{output: {name: $name, groups: ($groups | split(",")), lifetime: 43200}}'
