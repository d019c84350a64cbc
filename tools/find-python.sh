#!/bin/sh
# Prints a Python of 3.11 to 3.13 that really runs, the newest first. A version manager's shim may exist and yet fail.
set -u
for candidate in "${PYTHON:-}" python3.13 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.13*/bin/python \
    python3.12 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.12*/bin/python \
    python3.11 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.11*/bin/python python3 python; do
    [ -n "$candidate" ] || continue
    if "$candidate" -c 'import sys, venv, ensurepip; raise SystemExit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1; then
        "$candidate" -c 'import sys; print(sys.executable)'
        exit 0
    fi
    if [ "$candidate" = "${PYTHON:-}" ]; then
        echo "PYTHON=$candidate is not a working Python 3.11, 3.12 or 3.13 (with venv)." >&2
        exit 1
    fi
done
echo "No Python 3.11, 3.12 or 3.13 (with venv) was found. Install one, or name it: make PYTHON=/path/to/python3.13 ..." >&2
exit 1
