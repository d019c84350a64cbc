"""Signed POSTs: our own SigV4 over gateway.transport."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gateway.aws.sigv4 import Credentials, Signers
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
        self._service, self._credentials = service, credentials
        self._connections = Connections(endpoint)
        self._signers = Signers(self._connections.host, region)

    def post(
        self, path: str, body: bytes, headers: Mapping[str, str], timeout: float, max_bytes: int = MAX_BYTES
    ) -> HttpReply:
        """Send one POST and read the whole answer within `timeout` seconds.

        `path` is already percent-encoded. Raises NotSent, TimedOut, Broken or TooLarge; any HTTP status is an
        answer, redirects included (they are never followed).
        """
        credentials = self._credentials()
        signed = self._connections.prefix + path, tuple(headers.items()), self._service, ""
        signer = self._signers.made.get(signed)
        if signer is None or signer.credentials is not credentials:
            signer = self._signers.make(signed, credentials)
        try:
            request = signer.request(body)
        except ValueError:
            # The cause is dropped: it could quote a header, which may be a token.
            raise NotSent("the request is no HTTP") from None
        return self._connections.exchange(request, timeout, max_bytes)
