"""Signed POSTs: our own SigV4 over gateway.transport."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gateway.aws.sigv4 import Credentials, signer
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


class AwsHttp:
    """A client of one service at one endpoint. Thread-safe: a connection serves one call at a time."""

    def __init__(self, service: str, region: str, endpoint: str, credentials: Callable[[], Credentials]) -> None:
        self._service, self._region, self._credentials = service, region, credentials
        self._connections = Connections(endpoint)

    def post(
        self, path: str, body: bytes, headers: Mapping[str, str], timeout: float, max_bytes: int = MAX_BYTES
    ) -> HttpReply:
        """Send one POST and read the whole answer within `timeout` seconds.

        `path` is already percent-encoded. Raises NotSent, TimedOut, Broken or TooLarge; any HTTP status is an
        answer, redirects included (they are never followed).
        """
        connections = self._connections
        target = connections.prefix + path
        fixed = tuple(headers.items())
        made = signer(connections.host, target, fixed, self._credentials(), self._region, self._service)
        changing = made.changing(body)
        return connections.request("POST", target, body, changing, timeout, max_bytes, fixed=made.fixed)
