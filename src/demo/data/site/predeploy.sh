#!/bin/sh
# predeploy.sh ENVIRONMENT COMMIT: puts the pages together.
set -eu
mkdir -p public
for page in pages/*.html; do
    cat partials/head.html "$page" partials/foot.html > "public/${page##*/}"
    printf 'rendered \033[36m%s\033[0m\n' "public/${page##*/}"
    sleep 0.1
done
if [ -d styles ]; then cp styles/*.css public/; fi
printf '\033[32m✓\033[0m %s pages for %s\n' "$(ls public/*.html | wc -l | tr -d ' ')" "$1"
