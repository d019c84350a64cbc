#!/bin/sh
# Lambda's wrapper starts this in place of the runtime's own loop; the layers are on the path of that loop alone.
export PYTHONPATH="$LAMBDA_TASK_ROOT:/opt/python"
exec python3 -m functions.stream.server
