#!/bin/sh
# Refuses a PYTHON= that is not the Python of the existing environments: it would be ignored silently.
set -u
[ -n "${PYTHON:-}" ] || exit 0
asked='import os, sys; print("%d.%d" % sys.version_info[:2], os.path.realpath(sys.base_prefix))'
if ! wanted=$("$PYTHON" -c "$asked" 2>/dev/null); then
    echo "PYTHON=$PYTHON does not run. Name a Python of 3.11 to 3.13, or leave it out." >&2
    exit 1
fi
for folder in "$@"; do
    [ -x "$folder/bin/python" ] || continue
    found=$("$folder/bin/python" -c "$asked" 2>/dev/null) || continue
    if [ "$found" != "$wanted" ]; then
        echo "PYTHON=$PYTHON is Python $wanted, but $folder was made with Python $found." >&2
        echo "\`make clean\` removes it; the next command makes it anew with yours." >&2
        exit 1
    fi
done
