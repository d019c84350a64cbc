#!/usr/bin/env bash
# The steps of a careful newcomer. Environments come first, since two steps at once must not make the same one; then every
# check. Programs that this machine lacks are named last, which is an error if CI is set.
set -euo pipefail

printf '== venv (%s s)\n' "$SECONDS"
make venv
printf '== venv took %s s\n' "$SECONDS"
exec .local/venv/bin/python -m tools.ci
