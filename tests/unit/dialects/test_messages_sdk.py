"""Anthropic's own client reads the answers that are written here, whole and event by event."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from anthropic import Anthropic, APIStatusError

from gateway.dialects.messages.answer import write_answer
from gateway.dialects.messages.spoken import SPOKEN
from gateway.dialects.neutral import (
    ArgumentsDelta,
    BlockStop,
    Delta,
    Finish,
    ReasoningDelta,
    SignatureDelta,
    Start,
    TextDelta,
    ToolStart,
    Used,
)
from gateway.dialects.sse import written
from gateway.errors import UpstreamError
from gateway.models.usage import Usage
from tests.unit.dialects.in_one_go import write_messages_events as write_events

FRAME = {"id": "msg_1", "model": "m"}
DELTAS: list[Delta] = [
    Start(),
    ReasoningDelta(0, "h"),
    ReasoningDelta(0, "m"),
    SignatureDelta(0, "c2ln"),
    BlockStop(0),
    TextDelta(1, "é漢"),
    TextDelta(1, "🌍"),
    BlockStop(1),
    ToolStart(2, "toolu_1", "f"),
    ArgumentsDelta(2, '{"a":'),
    ArgumentsDelta(2, "[1]}"),
    BlockStop(2),
    Finish("tool_calls"),
    Used(Usage(1, 2, 3, 4, 5)),
]
DELTA_LISTS = {"whole": DELTAS, "broken": DELTAS[:7]}


class _Upstream(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        deltas = DELTA_LISTS[body["model"]]
        if body.get("stream"):
            kind, said = "text/event-stream", b"".join(written(*event) for event in write_events(deltas, FRAME))
            if body["model"] == "broken":
                busy = UpstreamError("busy", provider="p", upstream_status=503)
                said += SPOKEN.delivery(SPOKEN.parse(body)).error(busy, {"cost": 0.5})
        else:
            kind, said = "application/json", json.dumps(write_answer(deltas, FRAME)).encode()
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def client() -> Iterator[Anthropic]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Upstream) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        with Anthropic(api_key="k", base_url=f"http://127.0.0.1:{server.server_address[1]}", max_retries=0) as client:
            yield client
        server.shutdown()
        thread.join()


def asked(model: str) -> Any:
    return {"model": model, "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}


def test_a_whole_answer_and_its_stream_are_the_same_to_the_client(client: Anthropic) -> None:
    whole = client.messages.create(**asked("whole"))
    thought, text, use = whole.content
    assert (thought.type, text.type, use.type) == ("thinking", "text", "tool_use")
    assert (thought.thinking, thought.signature, text.text, use.input) == ("hm", "c2ln", "é漢🌍", {"a": [1]})
    assert whole.usage.cache_creation is not None
    assert whole.usage.cache_creation.ephemeral_1h_input_tokens == 4
    with client.messages.stream(**asked("whole")) as stream:
        streamed = stream.get_final_message()
    found, wanted = streamed.to_dict(), whole.to_dict()
    counts = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    assert [found["usage"][name] for name in counts] == [wanted["usage"][name] for name in counts]  # type: ignore[index]
    assert (found["content"], found["stop_reason"]) == (wanted["content"], wanted["stop_reason"])


def test_an_error_within_a_stream_is_one_to_the_client(client: Anthropic) -> None:
    with pytest.raises(APIStatusError, match="busy") as told, client.messages.stream(**asked("broken")) as stream:
        stream.get_final_message()
    error = told.value.body["error"]  # type: ignore[index]
    assert (error["type"], error["cost"]) == ("overloaded_error", 0.5)
