"""OpenAI, and every host that takes a Bearer token in the same way (Groq, Ollama, vLLM, ...), over our own transport.

In its own dialect, the body leaves as the client wrote it, and the answer is read from the bytes that came: no field is
dropped for being unknown. An attempt is one request; attempts are counted, priced and timed elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.models.vendors import Vendor, quirks_at
from gateway.vendors import Connection
from gateway.vendors.adapter import JSON_HEADERS, Adapter
from gateway.vendors.base import Prepared
from gateway.vendors.keys import AGENT, usable_key

_FIXED: Final = {**JSON_HEADERS, **AGENT}


class OpenAIProvider(Adapter):
    """See `gateway.vendors.base.Provider`."""

    def __init__(self, vendor: Vendor, connection: Connection) -> None:
        super().__init__(vendor, connection)
        self._key_header = quirks_at(connection.endpoint, vendor.quirks, vendor.name).key_header

    def credential(self) -> str:
        return usable_key(self.name, self._connection.api_key)

    def headers(self, held: str, target: str, prepared: Prepared) -> Mapping[str, str]:
        known = prepared.call.correlation_id
        headers = dict(_FIXED)
        if self._key_header:
            headers[self._key_header] = held
        else:
            headers["authorization"] = f"Bearer {held}"
        if known and known.isascii() and known.isprintable() and len(known) <= 512:
            headers["x-client-request-id"] = known
        return headers
