#!/bin/sh
# tests/run_tests.sh ENVIRONMENT HOST BRANCH COMMIT
set -u
cd "$(dirname "$0")/.."
for file in config/routes.toml config/push.toml; do
    sleep 0.3
    test -s "$file" || { printf '\033[31m✗ %s is missing\033[0m\n' "$file" >&2; exit 1; }
    printf '\033[32m✓\033[0m %s\n' "$file"
done
