#!/bin/sh
# predeploy.sh ENVIRONMENT COMMIT: builds what is not kept in Git.
set -eu
say() { printf '\033[1;34m==>\033[0m \033[1m%s\033[0m\n' "$1"; }

say "Building the assets for $1"
mkdir -p public/assets
for sheet in styles/*.css; do
    printf '    \033[36m%-24s\033[0m %s bytes\n' "$sheet" "$(wc -c < "$sheet" | tr -d ' ')"
    sleep 0.15
done
cat styles/*.css | sed -e 's/^ *//' > public/assets/shop.css
sleep 0.3
say "Bundling src"
cat src/*.js > public/assets/shop.js
sleep 0.4
printf '{"environment":"%s","commit":"%s"}\n' "$1" "$2" > public/build.json
printf '\033[32m✓\033[0m public/assets/shop.css, %s bytes\n' "$(wc -c < public/assets/shop.css | tr -d ' ')"
printf '\033[32m✓\033[0m public/assets/shop.js, %s bytes\n' "$(wc -c < public/assets/shop.js | tr -d ' ')"
