#!/usr/bin/env bash
# What a careful newcomer would do. Environments first, since two steps at once must not make the same one; then every check.
# What this machine lacks is said last, and is an error where CI is set.
set -euo pipefail

printf '== venv (%s s)\n' "$SECONDS"
make venv
printf '== venv took %s s\n' "$SECONDS"
exec .local/venv/bin/python -m tools.ci
