"""The pinned price file, read without any of our code: rows as their authors write them, by the names of their fields.

What a name means: `<what>_cost_per_token`, `cache_read_input_token_cost` and `cache_creation_input_token_cost` are US
dollars a token, read, written, found in a cache and written into one for five minutes (`_above_1hr`: for an hour).
`_above_<n>k_tokens` holds for all of a call whose prompt has more than n thousand tokens; `_<tier>` in another service
tier. A row prices a tier, or a long prompt, where it has an input price for it; what it has no price for there (found,
written) costs what the input does, and an hour what five minutes do.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

ROWS: Mapping[str, Mapping[str, Any]] = json.loads((Path(__file__).parent / "source_rows.json").read_bytes())["rows"]
_LONG = re.compile(r"input_cost_per_token_above_(\d+)k_tokens")


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens that a call used; each one is counted once."""

    fresh: int
    found: int
    written_5m: int
    written_1h: int
    out: int

    @property
    def prompt(self) -> int:
        return self.fresh + self.found + self.written_5m + self.written_1h


def tiers(row: Mapping[str, Any]) -> Iterator[str]:
    """The service tiers that a row prices, the usual one first."""
    yield ""
    yield from (tier for tier in ("flex", "priority", "ultrafast") if f"input_cost_per_token_{tier}" in row)


def long_above(row: Mapping[str, Any]) -> int | None:
    """In tokens."""
    found = [int(match[1]) * 1_000 for name in row if (match := _LONG.fullmatch(name))]
    return found[0] if found else None


def micro_dollars(row: Mapping[str, Any], tokens: Tokens, tier: str = "") -> tuple[int, int]:
    """The cost of the prompt and of the completion, each rounded up to the next micro-dollar."""
    end = f"_{tier}" if tier else ""
    above = long_above(row)
    if above is not None and tokens.prompt > above:
        longer = f"_above_{above // 1_000}k_tokens{end}"
        end = longer if f"input_cost_per_token{longer}" in row else end

    def rate(name: str, otherwise: Fraction | None = None) -> Fraction:
        if row.get(name + end) is not None:
            return Fraction(str(row[name + end]))
        assert otherwise is not None, name + end
        return otherwise

    fresh = rate("input_cost_per_token")
    written = rate("cache_creation_input_token_cost", fresh)
    prompt = (
        tokens.fresh * fresh
        + tokens.found * rate("cache_read_input_token_cost", fresh)
        + tokens.written_5m * written
        + tokens.written_1h * rate("cache_creation_input_token_cost_above_1hr", written)
    )
    none = Fraction(0) if row["mode"] == "embedding" else None
    return _up(prompt), _up(tokens.out * rate("output_cost_per_token", none))


def _up(dollars: Fraction) -> int:
    micro = dollars * 1_000_000
    return -(-micro.numerator // micro.denominator)
