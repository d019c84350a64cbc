"""Signed POSTs: our own SigV4 over gateway.transport."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from gateway.aws.sigv4 import Credentials, Header, Signer
from gateway.transport import (
    MAX_BYTES,
    Broken,
    Connections,
    HttpError,
    HttpReply,
    NotSent,
    TimedOut,
    TooLarge,
)

__all__ = ["AwsHttp", "Broken", "HttpError", "HttpReply", "NotSent", "TimedOut", "TooLarge"]
_MOST_SIGNERS = 64


class AwsHttp:
    """A client of one service at one endpoint. Thread-safe: a connection serves one call at a time. The credentials are
    asked for once a second: those of a role are renewed while a container lives."""

    def __init__(
        self,
        service: str,
        region: str,
        endpoint: str,
        credentials: Callable[[], Credentials],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._service, self._region, self._credentials, self._clock = service, region, credentials, clock
        self._held: tuple[int, Credentials] | None = None  # the second in which they were asked for
        self._connections = Connections(endpoint)
        self._signers: dict[tuple[str, tuple[Header, ...]], tuple[Credentials, Signer]] = {}

    def post(
        self, path: str, body: bytes, headers: Mapping[str, str], timeout: float, max_bytes: int = MAX_BYTES
    ) -> HttpReply:
        """Send one POST and read the whole answer within `timeout` seconds.

        `path` is already percent-encoded. Raises NotSent, TimedOut, Broken or TooLarge; any HTTP status is an
        answer, redirects included (they are never followed).
        """
        told, second, held = tuple(headers.items()), int(self._clock()), self._held
        if held is None or held[0] != second:
            held = self._held = second, self._credentials()
        made = self._signers.get((path, told))
        signer = made[1] if made and made[0] is held[1] else self._signer(path, told, held[1])
        try:
            request = signer.request(body, second)
        except ValueError:
            # The cause is dropped: it could quote a header, which may be a token.
            raise NotSent("the request is no HTTP") from None
        return self._connections.exchange(request, timeout, max_bytes)

    def _signer(self, path: str, headers: tuple[Header, ...], credentials: Credentials) -> Signer:
        """The signer of an operation. It is made again when the credentials change, but not for equal ones."""
        made = self._signers.get((path, headers))
        if made is not None and made[0] == credentials:
            signer = made[1]
        else:
            target = self._connections.prefix + path
            signer = Signer(self._connections.host, target, headers, credentials, self._region, self._service)
        if len(self._signers) >= _MOST_SIGNERS:
            self._signers.clear()
        self._signers[path, headers] = credentials, signer
        return signer
