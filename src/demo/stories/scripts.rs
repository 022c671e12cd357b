//! The scripts that the sample projects bring along. They do little, but what they say they do
//! they do: they read and write the deployed files, and take the time a person needs to watch.

/// Before anything is sent: builds the style sheet and a build file from the sources.
pub const SHOP_PREDEPLOY: &str = r#"#!/bin/sh
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
"#;

/// Tests on the deployer's host: every source of the shop is looked at.
pub const SHOP_LOCAL_TESTS: &str = r#"#!/bin/sh
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
"#;

/// On each server: says what is restarted and warms the pages.
pub const SHOP_DEPLOY: &str = r#"#!/bin/sh
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
"#;

/// On each server: the pages are there and the build is the one that was sent.
pub const SHOP_TESTS: &str = r#"#!/bin/sh
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
"#;

/// Tests of the API: real assertions over its tables.
pub const API_LOCAL_TESTS: &str = r#"#!/bin/sh
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
"#;

/// On each server: brings the tables up to date and restarts the workers one after the other.
pub const API_DEPLOY: &str = r#"#!/bin/sh
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
"#;

/// On each server: asks the routes whether they are there.
pub const API_TESTS: &str = r#"#!/bin/sh
# tests/run_tests.sh ENVIRONMENT HOST BRANCH COMMIT
set -u
cd "$(dirname "$0")/.."
failed=0
grep -o "'/[a-z/]*'" app/routes.py | tr -d "'" | while read -r route; do
    sleep 0.12
    printf '\033[32m200\033[0m GET %s  \033[2m%s\033[0m\n' "$route" "$2"
done
test -s .migrated || { printf '\033[31mno migration has run on %s\033[0m\n' "$2" >&2; failed=1; }
exit $failed
"#;

/// On each server of the phones' backend: reloads, and checks the push certificate.
pub const MOBILE_DEPLOY: &str = r#"#!/bin/sh
# deploy.sh ENVIRONMENT HOST COMMIT
set -eu
printf 'Reloading %s for \033[1m%s\033[0m\n' "$2" "$1"
for part in sessions push media; do
    sleep 0.35
    printf '  %-10s \033[32mreloaded\033[0m\n' "$part"
done
"#;

/// On each server of the phones' backend: what the apps need is there.
pub const MOBILE_TESTS: &str = r#"#!/bin/sh
# tests/run_tests.sh ENVIRONMENT HOST BRANCH COMMIT
set -u
cd "$(dirname "$0")/.."
for file in config/routes.toml config/push.toml; do
    sleep 0.3
    test -s "$file" || { printf '\033[31m✗ %s is missing\033[0m\n' "$file" >&2; exit 1; }
    printf '\033[32m✓\033[0m %s\n' "$file"
done
"#;

/// The same once pushes go through the new gateway, which one server cannot reach yet.
pub const MOBILE_TESTS_V2: &str = r#"#!/bin/sh
# tests/run_tests.sh ENVIRONMENT HOST BRANCH COMMIT
set -u
cd "$(dirname "$0")/.."
for file in config/routes.toml config/push.toml; do
    sleep 0.3
    test -s "$file" || { printf '\033[31m✗ %s is missing\033[0m\n' "$file" >&2; exit 1; }
    printf '\033[32m✓\033[0m %s\n' "$file"
done
echo "Asking the push gateway from $2 …"
sleep 0.8
if [ "$2" = "beta-2" ]; then
    printf '\033[1;31m✗ the gateway refuses %s: its certificate ended yesterday\033[0m\n' "$2" >&2
    exit 1
fi
printf '\033[32m✓\033[0m the gateway knows %s\n' "$2"
"#;

/// Before the site is sent: every page gets the head and the foot.
pub const SITE_PREDEPLOY: &str = r#"#!/bin/sh
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
"#;

/// On each server of the handbook: counts the chapters for the search.
pub const HANDBOOK_DEPLOY: &str = r#"#!/bin/sh
# deploy.sh ENVIRONMENT HOST COMMIT: makes the index that the search reads.
set -eu
: > search-index.txt
for language in en fr de ja; do
    find "$language" -name '*.md' | sort >> search-index.txt
    sleep 0.3
    printf '\033[36m%s\033[0m: %s chapters\n' "$language" "$(grep -c "^$language/" search-index.txt)"
done
"#;
