"""One execution environment of a function: it imports the handler, then answers one event after the other.

`process.py` starts it as a script, so that only the function's modules can be imported. Events are lines of JSON on
standard input. Answers are lines on standard output: a word (`ready`, `answer`, `failed`) and JSON. All that the
function prints or logs goes to standard error.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import traceback
from types import SimpleNamespace
from typing import Any


def _context(facts: dict[str, Any]) -> SimpleNamespace:
    deadline = facts["deadline"]
    name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
    return SimpleNamespace(
        function_name=name,
        function_version=os.environ["AWS_LAMBDA_FUNCTION_VERSION"],
        memory_limit_in_mb=int(os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]),
        invoked_function_arn=facts["arn"],
        aws_request_id=facts["request_id"],
        log_group_name=f"/aws/lambda/{name}",
        log_stream_name=os.environ["AWS_LAMBDA_LOG_STREAM_NAME"],
        get_remaining_time_in_millis=lambda: max(0, int((deadline - time.time()) * 1_000)),
    )


def main() -> None:
    events, answers = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr

    def tell(word: bytes, document: Any) -> None:
        text = json.dumps(document).encode()  # before anything is written: an answer may not be JSON
        sys.stderr.flush()
        answers.write(b"%s %s\n" % (word, text))
        answers.flush()

    def failed(fault: BaseException) -> None:
        traceback.print_exc()
        tell(b"failed", {"errorType": type(fault).__name__, "errorMessage": str(fault)})

    module, _, name = os.environ["_HANDLER"].rpartition(".")
    try:
        handler = getattr(importlib.import_module(module), name)
    except Exception as fault:  # noqa: BLE001  whatever it was, the host must hear of it
        failed(fault)
        return
    tell(b"ready", None)
    while line := events.readline():
        asked = json.loads(line)
        _trace(asked["context"].get("trace"))
        try:
            tell(b"answer", handler(asked["event"], _context(asked["context"])))
        except Exception as fault:  # noqa: BLE001  a function may raise anything
            failed(fault)


def _trace(header: str | None) -> None:
    # Lambda sets each invocation's own trace header in this variable.
    if header:
        os.environ["_X_AMZN_TRACE_ID"] = header
    else:
        os.environ.pop("_X_AMZN_TRACE_ID", None)


if __name__ == "__main__":
    main()
