"""Which models write a prompt to their cache only as far as a mark in it says: packaged data with its source. Others
may write all of it by themselves."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path

_DATA = Path(__file__).parent.parent / "data" / "caching.json"


@lru_cache(maxsize=1_024)
def cached_by_marks(target: str) -> bool:
    """Whether `target` (`provider/model`) caches nothing without a mark."""
    return _by_marks().search(target) is not None


@lru_cache(maxsize=1)
def _by_marks() -> re.Pattern[str]:
    return re.compile(json.loads(_DATA.read_bytes())["by_marks"])
