"""Anthropic's own API: the key has its own header, and each request names an API version.

API: https://docs.anthropic.com/en/api/overview
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.dialects.messages.betas import betas_of
from gateway.vendors.adapter import JSON_HEADERS
from gateway.vendors.base import Prepared
from gateway.vendors.keys import AGENT, Keyed

# The version if the client names none, and for translated requests, which never name one. It takes a temperature.
_VERSION = "2023-06-01"


class AnthropicProvider(Keyed):
    """See `gateway.vendors.base.Provider`."""

    def headers(self, held: str, target: str, prepared: Prepared) -> Mapping[str, str]:
        call = prepared.call
        betas = betas_of(call.beta, call.body)
        beta = {"anthropic-beta": ",".join(betas)} if betas else {}
        version = call.version if call.dialect == prepared.endpoint.dialect else ""
        return {**JSON_HEADERS, **AGENT, "anthropic-version": version or _VERSION, "x-api-key": held, **beta}
