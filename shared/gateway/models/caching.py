"""Which models write a prompt to their cache only up to a mark in it: packaged data with its source. Other models may
write all of it without a mark. This module also decides which requests get marks if their client's format has none."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from gateway.models.endpoints import endpoint_for
from gateway.models.money import Price
from gateway.models.vendors import Vendor

if TYPE_CHECKING:
    from gateway.models.model_names import Route

# The config's rule for prompts without a mark: mark none, only those that ask for a cache in a format without marks, or
# all.
MarkRule = Literal["never", "asked", "always"]
_SPOKEN: Final = ("chat", "responses")
_MARKED: Final = ("messages", "converse")  # endpoints' dialects in whose prompts marks are put
_ASKS: Final = frozenset(("prompt_cache_key", "prompt_cache_retention", "prompt_cache_options"))
_DATA = Path(__file__).parent.parent / "data" / "caching.json"


@lru_cache(maxsize=1_024)
def cached_by_marks(target: str) -> bool:
    """Whether `target` (`provider/model`) caches nothing without a mark."""
    return _by_marks().search(target) is not None


def marks_for(body: Mapping[str, Any], dialect: str, target: str, price: Price, rule: MarkRule) -> str:
    """For how long the marks that this request gets keep its prompt in the cache: 5m or 1h; empty if it gets none. A
    request without marks gets some only if the model is known to cache and its price says what a token written to the
    cache costs, so that no bill is a guess."""
    if rule == "never" or dialect not in _SPOKEN or not cached_by_marks(target):
        return ""
    if price.cache_write is None or "caching" not in price.capabilities:
        return ""
    options = body.get("prompt_cache_options")
    if isinstance(options, Mapping) and options.get("mode") == "explicit":
        return ""
    if rule == "asked" and not any(body.get(name) for name in _ASKS):
        return ""
    return "1h" if body.get("prompt_cache_retention") == "24h" and price.cache_write_1h is not None else "5m"


def marks_at(route: Route, vendor: Vendor | None, body: Mapping[str, Any], dialect: str, rule: MarkRule) -> str:
    """Like `marks_for`, but empty unless the call goes to an endpoint in whose prompts marks are put. An endpoint that
    speaks the client's own format gets the prompt as it is, without marks."""
    if rule == "asked" and _ASKS.isdisjoint(body):  # as most requests are
        return ""
    marked = marks_for(body, dialect, route.target, route.price, rule)
    if not marked or vendor is None:
        return ""
    try:
        endpoint = endpoint_for(vendor, route.called, dialect, forced=route.endpoint)
    except LookupError:  # it has no such endpoint, and no call will leave
        return ""
    return marked if endpoint.dialect in _MARKED else ""


@lru_cache(maxsize=1)
def _by_marks() -> re.Pattern[str]:
    return re.compile(json.loads(_DATA.read_bytes())["by_marks"])
