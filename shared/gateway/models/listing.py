"""A model as `GET /v1/models` shows it: OpenAI's fields, and further fields that an agent needs."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from gateway.models.endpoints import endpoints_of
from gateway.models.model_names import CLAUDE_CODE, ModelNames, Route
from gateway.models.money import Price, usd
from gateway.models.vendors import Endpoint, Vendor

_KEPT = re.compile("claude|anthropic", re.IGNORECASE)
_RFC_3339 = "%Y-%m-%dT%H:%M:%SZ"
_RATES = ("input", "output", "cached", "cache_write", "cache_write_1h")


def listed(route: Route, names: ModelNames) -> dict[str, Any]:
    """`context_window` and `max_output_tokens` are in tokens, null if unknown. `created` is in seconds since the epoch,
    0 if unknown. `shutdown_date` is a UTC date (YYYY-MM-DD), null if no end is announced. `pricing` is in US dollars
    per million tokens."""
    card, price, vendor = names.cards.of(route.target), route.price, names.vendor(route.provider)
    endpoints = _endpoints(vendor, route) if vendor else ()
    return {
        "id": route.name,
        "object": "model",
        "created": _epoch(card.created) if card else 0,
        "owned_by": route.provider,
        "shutdown_date": price.ends or None,
        "successor": route.successor or None,
        "target": route.target,
        "model": card.name if card else None,
        "family": (card.family or None) if card else None,
        "context_window": price.max_input_tokens,
        "max_output_tokens": price.max_output_tokens,
        "mode": price.mode,
        "capabilities": list(price.capabilities),
        "dialects": list(dict.fromkeys(each.dialect for each in endpoints)),
        "pricing": {"currency": "USD", "per": "million tokens", **_pricing(price), "source": price.source}
        | ({"date": price.date} if price.date else {}),
    }


def discovered(shown: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A list of chat models for Anthropic's clients. Claude Code keeps only names that contain `claude` or `anthropic`,
    so every other model is listed under a second name too. Names that Claude Code keeps come first, for a client that
    reads only one page."""
    shown = [each for each in shown if each["mode"] == "chat"]
    kept = [each for each in shown if _KEPT.search(each["id"])]
    others = [each for each in shown if not _KEPT.search(each["id"])]
    return [*kept, *({**each, "id": CLAUDE_CODE + each["id"]} for each in others), *others]


def in_messages(shown: dict[str, Any]) -> dict[str, Any]:
    """One model of `listed` in Anthropic's shape, with the other known fields added. If no end is announced,
    `retires_at` is null and the lifecycle is active."""
    retires = shown["shutdown_date"]
    return {
        "type": "model",
        "id": shown["id"],
        "display_name": shown["model"] or shown["id"].removeprefix(CLAUDE_CODE),
        "created_at": datetime.fromtimestamp(shown["created"], UTC).strftime(_RFC_3339),
        "lifecycle": "deprecated" if retires else "active",
        "retires_at": f"{retires}T00:00:00Z" if retires else None,
        "max_input_tokens": shown["context_window"],
        "max_tokens": shown["max_output_tokens"],
        **{name: shown[name] for name in ("target", "family", "successor", "owned_by", "dialects", "pricing")},
    }


def _endpoints(vendor: Vendor, route: Route) -> tuple[Endpoint, ...]:
    """The endpoints that a call by this name may go to. If an alias names one, only that one."""
    named = vendor.endpoints.get(route.endpoint)
    if route.endpoint:
        had: tuple[Endpoint, ...] = (named,) if named else ()
    else:  # a provider without a base URL has all of its endpoints
        base_url = vendor.base_url
        had = tuple(each for each in endpoints_of(vendor, route.model) if not base_url or each.is_at(base_url))
    return tuple(each for each in had if each.mode == route.price.mode)


def _pricing(price: Price) -> dict[str, Any]:
    rates: dict[str, Any] = {name: usd(value) for name in _RATES if (value := getattr(price, name)) is not None}
    if price.image is not None:
        rates["image"] = usd(price.image)
    if price.long is not None:
        rates["long"] = {"above": price.long_above, **_pricing(price.long)}
    if price.tiers:
        rates["tiers"] = {name: _pricing(tier) for name, tier in price.tiers.items()}
    return rates


def _epoch(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) if day else 0
