"""One version of the gateway in its own process, which gets over pipes what Lambda would send to it.

It imports nothing of this repository except the contents of its working directory. It knows only what a deployment
knows about the gateway: `functions.<name>.handler.handler` takes an event and a context. So the same file runs the base
of an upgrade and the later version. Each command contains its time. The clock stands still between commands, so that
two versions behave the same whenever they run.
"""

from __future__ import annotations

import importlib
import io
import json
import os
import sys
import threading
import time
import traceback
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

_now = 0.0
_steady = time.monotonic
_began: list[float] = []


def _time() -> float:
    return _now


def _monotonic() -> float:
    """The monotonic clock runs as usual, and also jumps with the time of commands, so that caches that are kept for
    seconds expire."""
    return _steady() + (_now - _began[0] if _began else 0.0)


def _set(now: float) -> None:
    global _now
    _now = now
    if not _began:
        _began.append(now)


def _context() -> Any:
    return SimpleNamespace(aws_request_id="aws-1", get_remaining_time_in_millis=lambda: 29_000)


@lru_cache(maxsize=1)
def _app() -> Any:
    """The application of the streaming door."""
    settings = importlib.import_module("gateway.settings").settings
    return importlib.import_module("functions.stream.handler").app(settings(), threading.Event())


def _at_the_port(sent: dict[str, Any]) -> dict[str, Any]:
    """The whole answer of the streaming door."""
    body = sent["body"].encode()
    environ: dict[str, Any] = {"REQUEST_METHOD": sent["method"], "PATH_INFO": sent["path"], "QUERY_STRING": ""}
    environ |= {
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "192.0.2.1",
    }
    environ |= {"wsgi.input": io.BytesIO(body), "wsgi.errors": sys.stderr, "wsgi.url_scheme": "http"}
    environ |= {"wsgi.multithread": True, "wsgi.multiprocess": False, "wsgi.run_once": False, "wsgi.version": (1, 0)}
    environ |= {"CONTENT_LENGTH": str(len(body)), "CONTENT_TYPE": "application/json"}
    environ |= {f"HTTP_{name.upper().replace('-', '_')}": text for name, text in sent["headers"].items()}
    began: dict[str, Any] = {}

    def start_response(status: str, headers: list[tuple[str, str]], *_: Any) -> Any:
        began.update(statusCode=int(status.split(" ")[0]), headers=dict(headers))
        return lambda _data: None

    parts = _app()(environ, start_response)
    try:
        text = b"".join(parts).decode()
    finally:
        getattr(parts, "close", lambda: None)()
    return began | {"body": text}


def main() -> None:
    commands, answers = os.fdopen(os.dup(0), encoding="utf-8"), os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # logs go to standard error, because the pipe of answers must contain only answers
    time.time, time.time_ns, time.monotonic = _time, lambda: int(_now * 1_000_000) * 1_000, _monotonic
    sys.path[:0] = [os.path.join(os.getcwd(), "shared"), os.getcwd()]  # noqa: PTH109, PTH118  nothing more is loaded
    for line in commands:
        command = json.loads(line)
        _set(command["now"])
        try:
            answer: dict[str, Any]
            if command["function"] == "stream":
                answer = {"answer": _at_the_port(command["event"])}
            else:
                handler = importlib.import_module(f"functions.{command['function']}.handler").handler
                answer = {"answer": handler(command["event"], _context())}
        except Exception:  # noqa: BLE001  whatever it is, the other side is told
            answer = {"raised": traceback.format_exc()}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
