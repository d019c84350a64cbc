#!/bin/sh
# Lambda's wrapper starts this in place of the runtime's own loop; the layers are on the path of that loop alone.
export PYTHONPATH="$LAMBDA_TASK_ROOT:/opt/python"
# Each thread would keep memory of its own after a large body: 425 MB after ten of 5 MB, with this 160, and no more later.
export MALLOC_ARENA_MAX="${MALLOC_ARENA_MAX:-2}"
exec python3 -m functions.stream.server
