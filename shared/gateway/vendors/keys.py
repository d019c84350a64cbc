"""A key in the form in which it goes out in a header."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from gateway.errors import UpstreamCredentials
from gateway.vendors.credentials import usable

AGENT: Final[Mapping[str, str]] = {"user-agent": "ai-model-gateway"}  # some hosts reject requests without it


def usable_key(provider: str, key_of: Callable[[], str] | None) -> str:
    """A provider's key; "none" if it needs none. Raises UpstreamCredentials (not sent) for a key that may not be in a
    header, and whatever `key_of` raises."""
    key = key_of() if key_of else "none"
    if not usable(key):
        raise UpstreamCredentials(
            f"The gateway's credential for {provider} is unusable.",
            provider=provider,
            sent=False,
            reason="unusable_key",
        )
    return key
