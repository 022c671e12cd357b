#!/bin/sh
# tests/run_tests.sh ENVIRONMENT HOST BRANCH COMMIT
set -u
cd "$(dirname "$0")/.."
failed=0
check() {
    sleep 0.15
    if eval "$2"; then printf '  \033[32m✓\033[0m %s\n' "$1"
    else printf '  \033[31m✗ %s\033[0m\n' "$1" >&2; failed=1; fi
}
echo "Smoke tests on $2"
check "the build is of commit $(printf %.8s "$4")" "grep -q $4 public/build.json"
check "the style sheet is there" "test -s public/assets/shop.css"
check "the basket can be rendered" "grep -q basket templates/basket.html"
check "the cache is warm" "test -s cache/warm.txt"
exit $failed
