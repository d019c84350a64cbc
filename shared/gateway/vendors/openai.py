"""OpenAI, and every host that takes a Bearer token as it does (Groq, Ollama, vLLM, ...), over our own transport.

In its own dialect the body leaves as the client wrote it, and the answer is read from the bytes that came: no field is
dropped because nobody here knows it. An attempt is one request: attempts are counted, priced and timed elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.vendors.adapter import JSON_HEADERS, Adapter
from gateway.vendors.base import Prepared
from gateway.vendors.keys import AGENT, usable_key


class OpenAIProvider(Adapter):
    """See `gateway.vendors.base.Provider`."""

    def credential(self) -> str:
        return usable_key(self.name, self._connection.api_key)

    def headers(self, held: str, target: str, prepared: Prepared) -> Mapping[str, str]:
        known = prepared.call.correlation_id
        usable = known and known.isascii() and known.isprintable() and len(known) <= 512
        traced = {"x-client-request-id": known} if usable else {}
        return {**JSON_HEADERS, **AGENT, "authorization": f"Bearer {held}", **traced}
