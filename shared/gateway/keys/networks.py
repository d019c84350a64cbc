"""The networks that a key may be used from, as admins set them, and their log line."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from gateway import observability
from gateway.identity.addresses import canonical
from gateway.identity.caller import Caller

MOST_NETWORKS = 32  # they go along with each call, in the authorizer's answer


def _once(networks: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(networks))


Network = Annotated[str, Field(max_length=64), AfterValidator(canonical)]
Networks = Annotated[tuple[Network, ...], Field(max_length=MOST_NETWORKS), AfterValidator(_once)]


def log_networks(key_id: str, before: tuple[str, ...], after: tuple[str, ...], by: Caller) -> None:
    """Logs who set the addresses that a key may be used from. Logs nothing if they did not change."""
    if before != after:
        facts = {"changed_key": key_id, "by": by.key_id, "allowed_ips": list(after), "before": list(before)}
        observability.log.info("key's addresses changed", extra=facts)
