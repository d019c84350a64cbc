"""A process that runs the function completions as Lambda's runtime does: an event a line comes in as JSON, an answer a
line goes out. Its log is written and thrown away.

Two lines are questions: `cpu`, how many seconds it has used in all, and of them for importing the handler; `exchanges`,
how many requests it has sent to DynamoDB since that was asked first.
"""

from __future__ import annotations

import json
import os
import sys
import time
from types import SimpleNamespace
from typing import Any

ANSWERS = os.dup(1)
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
CONTEXT = SimpleNamespace(aws_request_id="aws-1", get_remaining_time_in_millis=lambda: 29_000)


class Counted:
    """The gateway's database, which counts from when it is made."""

    def __init__(self) -> None:
        from gateway.wiring import gateway

        database: Any = gateway().database
        self.exchanges, self._call = 0, database.call
        database.call = self.call

    def call(self, *args: Any, **kwargs: Any) -> Any:
        self.exchanges += 1
        return self._call(*args, **kwargs)


def main() -> None:
    began = time.process_time()
    from functions.completions.handler import handler

    imported, counted = time.process_time() - began, None
    for line in sys.stdin.buffer:  # bytes, as the runtime gets them
        if line == b"cpu\n":
            answer = json.dumps({"all": time.process_time(), "imported": imported})
        elif line == b"exchanges\n":
            counted = counted or Counted()
            answer = json.dumps(counted.exchanges)
        else:
            answer = json.dumps(handler(json.loads(line), CONTEXT))
        os.write(ANSWERS, answer.encode() + b"\n")


if __name__ == "__main__":
    main()
