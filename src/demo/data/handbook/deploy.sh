#!/bin/sh
# deploy.sh ENVIRONMENT HOST COMMIT: makes the index that the search reads.
set -eu
: > search-index.txt
for language in en fr de ja; do
    find "$language" -name '*.md' | sort >> search-index.txt
    sleep 0.3
    printf '\033[36m%s\033[0m: %s chapters\n' "$language" "$(grep -c "^$language/" search-index.txt)"
done
