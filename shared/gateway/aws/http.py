"""Signed POSTs: our own SigV4 over gateway.transport."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from gateway.aws.sigv4 import Credentials, Signers
from gateway.http1 import HttpReply
from gateway.transport import (
    MAX_BYTES,
    Broken,
    Connections,
    HttpError,
    NotSent,
    TimedOut,
    TooLarge,
)

__all__ = ["AwsHttp", "Broken", "HttpError", "HttpReply", "NotSent", "TimedOut", "TooLarge"]


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
        self._service, self._credentials, self._clock = service, credentials, clock
        self._held: tuple[int, Credentials] | None = None  # the second in which they were asked for
        self._connections = Connections(endpoint)
        self._signers = Signers(self._connections.host, region)

    def post(
        self, path: str, body: bytes, headers: Mapping[str, str], timeout: float, max_bytes: int = MAX_BYTES
    ) -> HttpReply:
        """Send one POST and read the whole answer within `timeout` seconds.

        `path` is already percent-encoded. Raises NotSent, TimedOut, Broken or TooLarge; any HTTP status is an
        answer, redirects included (they are never followed).
        """
        second, held = int(self._clock()), self._held
        if held is None or held[0] != second:
            held = self._held = second, self._credentials()
        signed = self._connections.prefix + path, tuple(headers.items()), self._service, ""
        signer = self._signers.made.get(signed)
        if signer is None or signer.credentials is not held[1]:
            signer = self._signers.make(signed, held[1])
        try:
            request = signer.request(body, second)
        except ValueError:
            # The cause is dropped: it could quote a header, which may be a token.
            raise NotSent("the request is no HTTP") from None
        came = self._connections.ask(request, timeout, max_bytes)
        return came if isinstance(came, HttpReply) else came.reply(max_bytes)
