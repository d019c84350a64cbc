"""Marks up to which a prompt may be cached: Anthropic's, beside what they mark; clients of many gateways send them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway.dialects.neutral import Mark
from gateway.dialects.unsupported import name_unknown, refuse

TTLS: Final = ("5m", "1h")


def marks(given: Mapping[str, Any], where: str, dropped: list[str]) -> tuple[Mark, ...]:
    """The mark beside a part, a message or a tool: Anthropic's, as clients of many gateways put it there. Raises
    Unsupported for one of another kind."""
    control = given.get("cache_control")
    if control is None:
        return ()
    where = f"{where}.cache_control"
    if not isinstance(control, Mapping) or control.get("type") != "ephemeral":
        raise refuse(f"{where}.type", 'must be "ephemeral"')
    ttl = control.get("ttl")
    if ttl is not None and ttl not in TTLS:
        raise refuse(f"{where}.ttl", "must be 5m or 1h")
    name_unknown(control, ("type", "ttl"), where, dropped)
    return (Mark(ttl or "", at=where),)


def mark(block: Mark) -> dict[str, Any]:
    """The member that says the same, beside what it marks."""
    return {"cache_control": {"type": "ephemeral", **({"ttl": block.ttl} if block.ttl else {})}}
