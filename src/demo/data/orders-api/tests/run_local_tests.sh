#!/bin/sh
# tests/run_local_tests.sh ENVIRONMENT HOST BRANCH COMMIT
set -u
cd "$(dirname "$0")/.."
printf '\033[1mcollected %s items\033[0m\n\n' "$(cat tests/cases.txt | grep -c '|')"
failed=0 passed=0
while IFS='|' read -r name have want; do
    [ -n "$name" ] || continue
    sleep 0.1
    got=$(sh -c "$have" 2>&1)
    if [ "$got" = "$want" ]; then
        printf 'tests/%-44s \033[32mPASSED\033[0m\n' "$name"; passed=$((passed + 1))
    else
        printf 'tests/%-44s \033[31mFAILED\033[0m\n' "$name"
        printf '\033[31mE   wanted %s, got %s\033[0m\n' "$want" "$got" >&2
        failed=$((failed + 1))
    fi
done < tests/cases.txt
if [ "$failed" -gt 0 ]; then
    printf '\033[31m=== %s failed, %s passed ===\033[0m\n' "$failed" "$passed"; exit 1
fi
printf '\033[32m=== %s passed ===\033[0m\n' "$passed"
