#!/usr/bin/env bash
# What a careful newcomer would do, in order, stopping at the first failure. What this machine lacks is said last, and
# is an error where CI is set.
set -euo pipefail

missing=()
step() {
    printf '\n== %s (%s s)\n' "$*" "$SECONDS"
    make "$@"
}

step lint
step types
step imports
step lock-check
step test
step newman
if command -v java >/dev/null && command -v mvn >/dev/null; then
    step dynamodb-local
else
    missing+=("Java and Maven: no DynamoDB expression was judged on DynamoDB Local")
fi
if grep -qs '^terraform-check:' tools/make/*.mk; then
    if command -v terraform >/dev/null; then
        step terraform-check
    else
        missing+=("Terraform: its configuration was not checked")
    fi
fi

printf '\n== done in %s s\n' "$SECONDS"
for lack in "${missing[@]}"; do
    printf 'NOT CHECKED, this machine lacks %s\n' "$lack"
done
if [[ ${#missing[@]} -gt 0 && -n ${CI:-} ]]; then
    exit 1
fi
