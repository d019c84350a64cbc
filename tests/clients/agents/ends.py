"""A fake OpenAI server that ends each answer as a test asks, to see how Codex reacts."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_USED: Mapping[str, Any] = {
    "input_tokens": 1,
    "input_tokens_details": {"cached_tokens": 0},
    "output_tokens": 1,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 2,
}
_CREATED = {"type": "response.created", "response": {"id": "resp_1"}}
_TEXT = {"type": "output_text", "text": "Hello."}
_SAID = {
    "type": "response.output_item.done",
    "output_index": 0,
    "item": {"type": "message", "id": "msg_1", "role": "assistant", "content": [_TEXT]},
}


def stream(kind: str = "", **response: Any) -> tuple[int, bytes]:
    """An answer that ends with an event of this kind, or with no event."""
    events: list[Mapping[str, Any]] = [_CREATED, _SAID]
    if kind == "error":
        events.append({"type": kind, "code": "server_error", "message": "Words."})
    elif kind:
        events.append({"type": kind, "response": {"id": "resp_1", "usage": _USED, **response}})
    return 200, b"".join(f"event: {each['type']}\ndata: {json.dumps(each)}\n\n".encode() for each in events)


def failed(code: str | None, message: str = "Words.") -> tuple[int, bytes]:
    return stream("response.failed", error={"code": code, "message": message})


def incomplete(reason: str) -> tuple[int, bytes]:
    return stream("response.incomplete", status="incomplete", incomplete_details={"reason": reason})


def status(code: int, error: str = "some_code") -> tuple[int, bytes]:
    return code, json.dumps({"error": {"message": "Words.", "type": "t", "param": None, "code": error}}).encode()


@contextmanager
def answering(code: int, body: bytes) -> Iterator[tuple[str, list[str]]]:
    """An address at which every request gets this answer, and the paths of the requests that came."""
    came: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            came.append(self.path)
            self.send_response(code)
            self.send_header("content-type", "text/event-stream" if code == 200 else "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", came
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
