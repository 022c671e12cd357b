#!/bin/sh
# deploy.sh ENVIRONMENT HOST COMMIT, in the directory just deployed.
set -eu
printf '\033[1;34m==>\033[0m Restarting the shop on \033[1m%s\033[0m (%s)\n' "$2" "$1"
mkdir -p cache && : > cache/warm.txt
sleep 0.4
echo "Payment provider: signing in with key $PAYMENT_KEY"
sleep 0.3
for page in templates/*.html; do
    printf 'warming %-28s' "$page"
    wc -c < "$page" >> cache/warm.txt
    sleep 0.12
    printf '\033[32mok\033[0m\n'
done
printf '\033[32m✓\033[0m serving %.8s, was %.8s\n' "$3" "${DEPLOYER_PREVIOUS_COMMIT:-nothing}"
