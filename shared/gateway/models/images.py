"""The most tokens that an image counts as, by model: packaged data with its sources."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path

_DATA = Path(__file__).parent.parent / "data" / "images.json"


@lru_cache(maxsize=1_024)
def image_tokens(target: str) -> int:
    """The most tokens that one image counts as at `target` (`provider/model`). The first pattern that matches
    decides."""
    table, others = _table()
    return next((tokens for pattern, tokens in table if pattern.search(target)), others)


@lru_cache(maxsize=1)
def _table() -> tuple[list[tuple[re.Pattern[str], int]], int]:
    data = json.loads(_DATA.read_bytes())
    return [(re.compile(row["models"]), row["tokens"]) for row in data["most"]], data["others"]
