"""Clients, each on its own socket, that hang up when they are asked to."""

from __future__ import annotations

import json
import re
import select
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.contract.money.drawn import Call
from tests.contract.money.owed import words_sent
from tests.upstream.delivered import Delivery

_WORD = re.compile(rb"wq(\d+)z")
_LOOKS = 0.02  # seconds between two looks at the bytes that the fake has sent
_WAITS = 5.0  # seconds in which the sent bytes should arrive; a client may leave even if they have not


@dataclass(slots=True)
class Read:
    """What a client received: the status (0 if none came), the bytes after the head, and whether they ended; and when
    it hung up, in seconds of the monotonic clock."""

    status: int = 0
    rid: str = ""
    data: bytes = b""
    ended: bool = False
    left: float | None = None

    @property
    def body(self) -> Any:
        return json.loads(self.data)


def ask(port: int, key: str, call: Call, deliveries: Callable[[], list[Delivery]], *, idempotency: str = "") -> Read:
    """Makes one call. `deliveries` returns what the fake has sent for it so far."""
    body = json.dumps(call.asked.body).encode()
    lines = [
        f"POST {call.path} HTTP/1.1",
        "host: localhost",
        f"authorization: Bearer {key}",
        "content-type: application/json",
        "anthropic-version: 2023-06-01",
        f"x-correlation-id: {call.mark}",
        f"content-length: {len(body)}",
        "connection: close",
    ]
    lines += [f"idempotency-key: {idempotency}"] if idempotency else []
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        return _read(connection, call, deliveries)


def _read(connection: socket.socket, call: Call, deliveries: Callable[[], list[Delivery]]) -> Read:
    read, came, since = Read(), b"", 0.0
    while True:
        if call.leaves is not None:
            since = since or (time.monotonic() if _still(deliveries()) else 0.0)
            if _leaves(call, came, deliveries(), since):
                read.left = time.monotonic()
                connection.shutdown(socket.SHUT_RDWR)
                break
        if not select.select([connection], [], [], _LOOKS if call.leaves is not None else 1.0)[0]:
            continue
        try:
            piece = connection.recv(65_536)
        except ConnectionError:
            break
        if not piece:
            read.ended = True
            break
        came += piece
    head, _, body = came.partition(b"\r\n\r\n")
    if head:
        first, *rest = head.decode("latin-1").split("\r\n")
        read.status = int(first.split()[1])
        headers = {name.lower(): text.strip() for name, _, text in (line.partition(":") for line in rest)}
        read.rid = headers.get("x-gateway-request-id", "")
        chunked = "chunked" in headers.get("transfer-encoding", "")
        read.data, whole = _unchunked(body) if chunked else (body, len(body) >= int(headers.get("content-length", 0)))
        read.ended = read.ended and whole
    return read


def _leaves(call: Call, came: bytes, sent: list[Delivery], since: float) -> bool:
    """Whether the client has read what it wanted, or everything, if the fake sends no more."""
    if call.leaves == 0 and (not call.streams or b"\r\n\r\n" in came):
        return True
    if call.streams and call.leaves and came.count(b"data:") >= call.leaves:
        return True
    if not since:
        return False
    return words_in(came) >= words_sent(call.asked, sent[-1]) or time.monotonic() - since > _WAITS


def _still(sent: list[Delivery]) -> bool:
    """Whether the fake waits and sends no more."""
    return bool(sent) and (sent[-1].held or sent[-1].steer.delay > 0)


def words_in(data: bytes) -> int:
    """How many words of the answer are in the bytes that a client read."""
    return max((int(number) + 1 for number in _WORD.findall(data)), default=0)


def _unchunked(body: bytes) -> tuple[bytes, bool]:
    """The bytes of a chunked body, and whether its end came."""
    found = b""
    while True:
        size, line, rest = body.partition(b"\r\n")
        if not line:
            return found, False
        length = int(size, 16)
        if not length:
            return found, True
        found, body = found + rest[:length], rest[length + 2 :]
        if len(rest) < length + 2:
            return found, False
