"""The demo model: a fake Bedrock that repeats the prompt. If the answer is streamed, it comes word by word. It also
embeds texts: the more words two texts share, the nearer are their vectors.

It supports the Bedrock formats that the gateway uses: Converse and Anthropic's own, both whole and as event streams,
and the embeddings of Titan and Cohere.
It runs on a thread of `make run`, and so ends with it. Its token counts are estimates, at four bytes a token.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
import struct
import threading
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import Any

_PATH = re.compile(r"/model/([^/]+)/(converse|converse-stream|invoke|invoke-with-response-stream)")
_WORD = re.compile(r"\s*\S+")
_BETWEEN_WORDS = 0.03  # seconds: slow enough to see the words appear
_LENGTHS = {"titan-embed-text-v2": 1_024, "titan-embed": 1_536, "embed-v4": 1_536}  # of a vector, by the model's name
_MOST_SAID = 400  # characters of the prompt that are repeated
_STRING = 7  # a header's type in an event stream

Event = tuple[str, dict[str, Any]]


@contextmanager
def serving() -> Iterator[str]:
    """Serve the demo model on a free loopback port for the duration of the block. Yields its URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def answer_of(prompt: str) -> str:
    """The demo model's answer to a prompt."""
    said = " ".join(prompt.split())
    if not said:
        return "This is the local demo model. You said nothing."
    return f"This is the local demo model. You said: {said[:_MOST_SAID]}{'…' if len(said) > _MOST_SAID else ''}"


def vector_of(text: str, length: int) -> list[float]:
    """The embedding of a text, of length 1: each word adds to one place. So texts that share words are near."""
    sums = [0.0] * length
    for word in re.findall(r"\w+", text.casefold()) or [text]:
        place = int.from_bytes(hashlib.sha256(word.encode("utf-8", "replace")).digest()[:8], "big")
        sums[place % length] += 1.0
    norm = math.hypot(*sums)
    return [round(each / norm, 6) for each in sums]


def _vectors(model: str, body: Mapping[str, Any]) -> tuple[dict[str, Any], int] | None:
    """The answer to a request for embeddings, and its tokens; None for another request."""
    length = next((length for name, length in _LENGTHS.items() if name in model), 1_024)
    text, texts = body.get("inputText"), body.get("texts")
    if isinstance(text, str):
        used = _tokens(text)
        return {"embedding": vector_of(text, body.get("dimensions") or length), "inputTextTokenCount": used}, used
    if not isinstance(texts, list):
        return None
    vectors = [vector_of(str(each), body.get("output_dimension") or length) for each in texts]
    return {"id": "demo", "texts": texts, "embeddings": {"float": vectors}}, sum(_tokens(str(each)) for each in texts)


class _Answer:
    """The answer to a request in either format: its words, up to the cap, and their token counts."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        cap = body.get("inferenceConfig", {}).get("maxTokens") or body.get("max_tokens") or 4_096
        whole = answer_of(_last_words(body.get("messages", [])))
        self.cut = _tokens(whole) > cap
        self.words = _WORD.findall(whole[: cap * 4] if self.cut else whole)
        asked = {name: body[name] for name in ("system", "messages", "tools", "toolConfig") if name in body}
        self.input, self.output = _tokens(json.dumps(asked, ensure_ascii=False)), _tokens("".join(self.words))

    @property
    def stop(self) -> str:
        return "max_tokens" if self.cut else "end_turn"

    def converse(self) -> dict[str, Any]:
        message = {"role": "assistant", "content": [{"text": "".join(self.words)}]}
        return {"output": {"message": message}, "stopReason": self.stop, **self._metadata()}

    def converse_events(self) -> Iterator[Event]:
        yield "messageStart", {"role": "assistant"}
        for word in self.words:
            yield "contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": word}}
        yield "contentBlockStop", {"contentBlockIndex": 0}
        yield "messageStop", {"stopReason": self.stop}
        yield "metadata", self._metadata()

    def message(self, words: list[str] | None = None) -> dict[str, Any]:
        said = self.words if words is None else words
        return {
            "id": "msg_demo",
            "type": "message",
            "role": "assistant",
            "model": "demo",
            "content": [{"type": "text", "text": "".join(said)}] if said else [],
            "stop_reason": self.stop if said else None,
            "stop_sequence": None,
            "usage": {"input_tokens": self.input, "output_tokens": self.output if said else 1},
        }

    def message_events(self) -> Iterator[Event]:
        for event in self._message_events():
            yield "chunk", {"bytes": base64.b64encode(json.dumps(event).encode()).decode()}

    def _message_events(self) -> Iterator[dict[str, Any]]:
        yield {"type": "message_start", "message": self.message([])}
        yield {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
        for word in self.words:
            yield {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}}
        yield {"type": "content_block_stop", "index": 0}
        end = {"stop_reason": self.stop, "stop_sequence": None}
        yield {"type": "message_delta", "delta": end, "usage": {"output_tokens": self.output}}
        yield {"type": "message_stop"}

    def _metadata(self) -> dict[str, Any]:
        counted = {"inputTokens": self.input, "outputTokens": self.output, "totalTokens": self.input + self.output}
        return {"usage": counted, "metrics": {"latencyMs": 1}}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])) or b"{}")
        asked = _PATH.fullmatch(self.path.partition("?")[0])
        model, operation = asked.groups() if asked else ("", "")
        if operation == "invoke" and (made := _vectors(model, body)) is not None:
            self._whole(200, made[0], {"x-amzn-bedrock-input-token-count": str(made[1])})
            return
        if not asked or (operation.startswith("invoke") and "anthropic_version" not in body):
            self._whole(400, {"message": "The demo model chats and embeds texts, and does nothing else."})
            return
        answer = _Answer(body)
        if operation == "converse":
            self._whole(200, answer.converse())
        elif operation == "invoke":
            self._whole(200, answer.message())
        else:
            self._stream(answer.converse_events() if operation == "converse-stream" else answer.message_events())

    def _whole(self, status: int, document: dict[str, Any], headers: Mapping[str, str] = MappingProxyType({})) -> None:
        text = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 200:
            self.send_header("x-amzn-errortype", "ValidationException")
        self.end_headers()
        self.wfile.write(text)

    def _stream(self, events: Iterator[Event]) -> None:
        self.send_response(200)
        self.send_header("content-type", "application/vnd.amazon.eventstream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        with suppress(OSError):  # the caller has gone
            for kind, payload in events:
                framed = _framed(kind, json.dumps(payload).encode())
                self.wfile.write(b"%x\r\n%s\r\n" % (len(framed), framed))
                time.sleep(_BETWEEN_WORDS)
            self.wfile.write(b"0\r\n\r\n")

    def log_message(self, format: str, *arguments: Any) -> None:
        """Logs nothing: the gateway's own log has everything."""


def _last_words(messages: list[dict[str, Any]]) -> str:
    """The text of the user's last message, without the tagged context that coding agents add."""
    said = [message.get("content") for message in messages if message.get("role") == "user"]
    last = said[-1] if said else ""
    if isinstance(last, str):
        return last
    texts = [part["text"] for part in last or () if isinstance(part.get("text"), str)]
    return " ".join([text for text in texts if not text.lstrip().startswith("<")] or texts)


def _tokens(text: str) -> int:
    return -(-len(text.encode("utf-8", "replace")) // 4)


def _framed(kind: str, payload: bytes) -> bytes:
    """One message of an event stream: lengths and their checksum, headers, payload, and a checksum of it all."""
    headers = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    encoded = b"".join(
        bytes([len(name)]) + name.encode() + struct.pack(">BH", _STRING, len(text)) + text.encode()
        for name, text in headers.items()
    )
    lengths = struct.pack(">II", 16 + len(encoded) + len(payload), len(encoded))
    message = lengths + struct.pack(">I", zlib.crc32(lengths)) + encoded + payload
    return message + struct.pack(">I", zlib.crc32(message))
