#!/bin/sh
# deploy.sh ENVIRONMENT HOST COMMIT
set -eu
printf 'Reloading %s for \033[1m%s\033[0m\n' "$2" "$1"
for part in sessions push media; do
    sleep 0.35
    printf '  %-10s \033[32mreloaded\033[0m\n' "$part"
done
