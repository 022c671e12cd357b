#!/bin/sh
# tests/run_local_tests.sh ENVIRONMENT HOST BRANCH COMMIT
set -u
cd "$(dirname "$0")/.."
failed=0 passed=0
for spec in tests/*.spec; do
    printf '\033[2m%s\033[0m\n' "$spec"
    while IFS='|' read -r title file wanted; do
        [ -n "$title" ] || continue
        sleep 0.12
        if grep -q -- "$wanted" "$file" 2>/dev/null; then
            printf '  \033[32m✓\033[0m %s\n' "$title"; passed=$((passed + 1))
        else
            printf '  \033[31m✗ %s\033[0m\n    expected “%s” in %s\n' "$title" "$wanted" "$file" >&2
            failed=$((failed + 1))
        fi
    done < "$spec"
done
if [ "$failed" -gt 0 ]; then
    printf '\n\033[1;31m%s failed\033[0m, %s passed\n' "$failed" "$passed"; exit 1
fi
printf '\n\033[1;32m%s passed\033[0m\n' "$passed"
