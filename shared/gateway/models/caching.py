"""Which models write a prompt to their cache only as far as a mark in it says: packaged data with its source. Others
may write all of it by themselves. And which requests of clients that have no word for a mark get some all the same."""

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

# Of the config: whose prompts are marked that bear no mark of their own: nobody's, those of who asks for a cache in
# the words of a format without marks, or everybody's.
MarkRule = Literal["never", "asked", "always"]
_SPOKEN: Final = ("chat", "responses")
_MARKED: Final = ("messages", "converse")  # what an endpoint speaks into whose prompts marks are put
_ASKS: Final = ("prompt_cache_key", "prompt_cache_retention", "prompt_cache_options")
_DATA = Path(__file__).parent.parent / "data" / "caching.json"


@lru_cache(maxsize=1_024)
def cached_by_marks(target: str) -> bool:
    """Whether `target` (`provider/model`) caches nothing without a mark."""
    return _by_marks().search(target) is not None


def marks_for(body: Mapping[str, Any], dialect: str, target: str, price: Price, rule: MarkRule) -> str:
    """How long the marks keep a prompt that this request gets where it has none: 5m, or 1h; empty where it gets none.
    Only where the model is known to cache, and its price says what a token costs that is written to the cache, so that
    no bill is a guess."""
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
    """As `marks_for`, where the call goes to an endpoint into whose prompts marks are put. A host that is asked in the
    client's own words gets those, and no marks."""
    marked = marks_for(body, dialect, route.target, route.price, rule)
    if not marked or vendor is None:
        return ""
    try:
        endpoint = endpoint_for(vendor, route.called, dialect, forced=route.endpoint)
    except LookupError:  # it has none, and no call will leave
        return ""
    return marked if endpoint.dialect in _MARKED else ""


@lru_cache(maxsize=1)
def _by_marks() -> re.Pattern[str]:
    return re.compile(json.loads(_DATA.read_bytes())["by_marks"])
