"""The trace of limits in shadow: what they would have refused is counted and logged, and costs no request."""

from __future__ import annotations

from collections.abc import Iterable

from gateway import observability
from gateway.ledger.refusals import Refusal
from gateway.models.money import usd


def report(refusals: Iterable[Refusal], *, scope: str, tier: str, rid: str, key_id: str) -> None:
    """`scope` is key or team; `tier` the key's, or "team". Of a budget `limit` and `used` are in US dollars."""
    for refusal in refusals:
        money = refusal.name == "budget"
        observability.count("ShadowRefusals", limit=refusal.name, tier=tier)
        observability.log.info(
            "shadow refusal",
            extra={
                "rid": rid,
                "key_id": key_id,
                "scope": scope,
                "tier": tier,
                "shadowed": refusal.name,
                "limit": usd(refusal.limit) if money else refusal.limit,
                "used": usd(refusal.used) if money else refusal.used,
            },
        )
