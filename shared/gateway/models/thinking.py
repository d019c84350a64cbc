"""Which models may think without showing it, and for which requests: packaged data with its sources. A model may have
hidden thoughts unless it is known that it shows them."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

_DATA = Path(__file__).parent.parent / "data" / "thinking.json"


def may_think(target: str, capabilities: Collection[str], body: Mapping[str, Any]) -> bool:
    """Whether `target` (`provider/model`) may think unseen in its answer to this request, by its known capabilities. A
    model of which nothing is known may think. `body` is the request as it left for the provider.

    Thoughts that are shown count as unseen, because they may be a summary of the billed ones.
    """
    rules = _rules()
    if capabilities and "reasoning" not in capabilities and not rules["besides"].search(target):
        return False
    if rules["obey"].search(target):
        further = body.get("additionalModelRequestFields")
        asked = body.get("thinking") or (further.get("thinking") if isinstance(further, Mapping) else None)
        if asked is None:
            return rules["only_when_asked"].search(target) is None
        return not isinstance(asked, Mapping) or asked.get("type") != "disabled"
    told = body.get("reasoning")
    effort = told.get("effort") if isinstance(told, Mapping) else body.get("reasoning_effort")
    return effort != "none" or rules["not_with_effort_none"].search(target) is None


@lru_cache(maxsize=1)
def _rules() -> Mapping[str, re.Pattern[str]]:
    document = json.loads(_DATA.read_bytes())
    return {name: re.compile(document[name]) for name in document if name != "sources"}
