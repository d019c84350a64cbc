#!/bin/sh
# Lambda's wrapper starts this in place of the runtime's own loop; the layers are on the path of that loop alone.
export PYTHONPATH="$LAMBDA_TASK_ROOT:/opt/python"
# Each thread would keep memory of its own: 338 MB after ten bodies of 5 MB (425 at most), with this 105 (243), and flat.
export MALLOC_ARENA_MAX="${MALLOC_ARENA_MAX:-2}"
exec python3 -m functions.stream.server
