"""Providers whose keys go out in a header."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.errors import UpstreamCredentials
from gateway.vendors.adapter import Adapter
from gateway.vendors.credentials import usable

AGENT: Final[Mapping[str, str]] = {"user-agent": "ai-model-gateway"}  # some hosts reject requests without it


class Keyed(Adapter):
    """An adapter that authenticates with a key, or with "none" if its provider needs none."""

    _sound = "none"  # the last key that was found to be fit for a header; the next one is usually the same

    def credential(self) -> str:
        """Raises UpstreamCredentials (not sent) for a key that may not be in a header, and whatever the connection's
        key raises."""
        key_of = self._connection.api_key
        key = key_of() if key_of else "none"
        if key is not self._sound:
            if not usable(key):
                raise UpstreamCredentials(
                    f"The gateway's credential for {self.name} is unusable.",
                    provider=self.name,
                    sent=False,
                    reason="unusable_key",
                )
            self._sound = key
        return key
