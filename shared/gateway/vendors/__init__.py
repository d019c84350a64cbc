"""One adapter per kind of provider. Only `connect` knows which adapters there are; it imports each when that is first
asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from gateway.destinations import Destinations
from gateway.models.vendors import Vendor, packaged

if TYPE_CHECKING:
    from gateway.aws.sigv4 import Credentials
    from gateway.errors import UpstreamError
    from gateway.vendors.base import Provider


class Connection(Struct, frozen=True):
    """Where a provider is, and how the gateway authenticates there.

    `endpoint` is a base URL (OpenAI's ends in `/v1`), which may lead only to `destinations`. `api_key` and
    `credentials` are asked at every call, so that a rotated secret takes effect; what they raise is raised to the
    caller of `send`. `credentials` return a signing credential, or a key that goes out as a Bearer token. `another`
    returns a different credential if the provider refuses or limits the first (`gateway.vendors.answers.answered`).
    `pass_fields` are the request fields that the deployment lets pass in addition to the vendor's own.
    """

    endpoint: str
    api_key: Callable[[], str] | None = None
    region: str = ""
    credentials: Callable[[], Credentials | str] | None = None
    another: Callable[[Any, UpstreamError, float], Any] | None = None
    pass_fields: tuple[str, ...] = ()
    destinations: Destinations = field(default_factory=Destinations)


def connect(vendor: str | Vendor, connection: Connection) -> Provider:
    """The adapter of a provider; a packaged one may be given by its name. Raises LookupError if it does not exist,
    ValueError for a bad connection."""
    if isinstance(vendor, str):
        found = packaged().get(vendor)
        if found is None:
            raise LookupError(f"no such provider: {vendor}")
        vendor = found
    if vendor.kind == "openai":
        from gateway.vendors.openai import OpenAIProvider

        return OpenAIProvider(vendor, connection)
    if vendor.kind == "anthropic":
        from gateway.vendors.anthropic import AnthropicProvider

        return AnthropicProvider(vendor, connection)
    if vendor.kind == "bedrock":
        from gateway.vendors.bedrock import BedrockProvider

        return BedrockProvider(vendor, connection)
    raise LookupError(f"no adapter of this kind: {vendor.kind}")
