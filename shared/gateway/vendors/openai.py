"""OpenAI, and every host that takes a Bearer token in the same way (Groq, Ollama, vLLM, ...), over our own transport.

In its own dialect, the body leaves as the client wrote it, and the answer is read from the bytes that came: no field is
dropped for being unknown. An attempt is one request; attempts are counted, priced and timed elsewhere.
"""

from __future__ import annotations

from typing import Final

from gateway.http1 import request_bytes
from gateway.models.vendors import Vendor, quirks_at
from gateway.transport import NotSent
from gateway.vendors import Connection
from gateway.vendors.adapter import JSON_HEADERS
from gateway.vendors.base import Prepared
from gateway.vendors.failures import unanswered
from gateway.vendors.keys import AGENT, Keyed

_FIXED: Final = {**JSON_HEADERS, **AGENT}
_LENGTH: Final = b"Content-Length: 0\r\n\r\n"
_MOST_BEGUN: Final = 128


class OpenAIProvider(Keyed):
    """See `gateway.vendors.base.Provider`."""

    def __init__(self, vendor: Vendor, connection: Connection) -> None:
        super().__init__(vendor, connection)
        self._key_header = quirks_at(connection.endpoint, vendor.quirks, vendor.name).key_header

        self._begun: dict[str, tuple[str, bytes]] = {}  # by target: the key, and what all requests with it begin with

    def headers(self, held: str, target: str, prepared: Prepared) -> bytes:
        begun = self._begun.get(target)
        if begun is None or begun[0] is not held:
            begun = self._begun_with(held, target)
        known, body, noted = prepared.call.correlation_id, prepared.body, b""
        if known and known.isascii() and known.isprintable() and len(known) <= 512:
            noted = f"x-client-request-id: {known}\r\n".encode()
        return b"%b%bContent-Length: %d\r\n\r\n%b" % (begun[1], noted, len(body), body)

    def _begun_with(self, held: str, target: str) -> tuple[str, bytes]:
        own = {self._key_header: held} if self._key_header else {"authorization": f"Bearer {held}"}
        try:
            empty = request_bytes("POST", target, self._connections.host, {**_FIXED, **own}, b"")
        except ValueError:
            error = NotSent("the request is no HTTP")
        else:
            if len(self._begun) >= _MOST_BEGUN:
                self._begun.clear()
            made = self._begun[target] = held, empty.removesuffix(_LENGTH)
            return made
        raise unanswered(self.name, error)  # outside the handler: what it caught may quote the key
