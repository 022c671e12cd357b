#!/bin/sh
# deploy.sh ENVIRONMENT HOST COMMIT
set -eu
echo "Database of $1: ${DATABASE_URL:-not set}"
touch .migrated
for change in migrations/*.sql; do
    if grep -qxF "$change" .migrated; then
        printf '\033[2m%s: already there\033[0m\n' "$change"
    else
        sleep 0.4
        echo "$change" >> .migrated
        printf '%s: \033[32mapplied\033[0m\n' "$change"
    fi
done
for worker in 1 2 3 4; do
    sleep 0.25
    printf 'worker %s of 4 on %s: \033[33mdraining\033[0m … \033[32mrestarted\033[0m\n' "$worker" "$2"
done
