"""The openai SDK over our own transport: a deadline in total, a size cap, no redirects, pooled connections.

httpx's timeouts are per receive, and its body decoders expand a gzip bomb before anyone can count: so the SDK gets a
transport that has neither problem. An answer that is compressed though we asked for none stays as it is, undecoded.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator

import httpx2

from gateway.transport import Connections, Exchange
from gateway.vendors.answers import body_of

_NOT_OURS = frozenset(("host", "accept-encoding", "connection", "content-length"))


class DeadlineTransport(httpx2.BaseTransport):
    """What httpx asks for one request: status, headers, and a body that comes as it arrives.

    The request's read timeout is taken as the seconds of the whole exchange. `left` tells of this thread's last request
    whether it may have left this process.
    """

    def __init__(self, endpoint: str) -> None:
        self._connections = Connections(endpoint)
        self._thread = threading.local()

    @property
    def left(self) -> bool:
        return bool(getattr(self._thread, "left", False))

    @left.setter
    def left(self, value: bool) -> None:
        self._thread.left = value

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _NOT_OURS}
        self.left = True
        exchange = self._connections.open(
            request.method,
            request.url.raw_path.decode("ascii"),
            request.read(),
            headers,
            float(request.extensions["timeout"]["read"]),
        )
        kept = {name: value for name, value in exchange.headers.items() if name != "content-encoding"}
        measured = {"measured": exchange.measured}
        return httpx2.Response(exchange.status, headers=kept, stream=_Body(exchange), extensions=measured)


class _Body(httpx2.SyncByteStream):
    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def __iter__(self) -> Iterator[bytes]:
        return body_of(self._exchange)

    def close(self) -> None:
        self._exchange.close()
