"""Rows of the pinned price file as they are, for tests that read them without our code: those of the models that
default aliases stand for, at every vendor."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

from tools.models.prices import Refused, place_of
from tools.models.source import Row, compact, source

_CONFIG = Path(__file__).parents[2] / "shared" / "gateway" / "data" / "config.json"
_FIELDS = (
    "litellm_provider",
    "mode",
    "max_input_tokens",
    "max_output_tokens",
    "deprecation_date",
    "supports_sampling_params",
)


def render(rows: Mapping[str, Row], cards: Mapping[str, Row]) -> str:
    """One row a line, under its name in the source; costs as the source writes them, as text, which has no rounding."""
    aliases = json.loads(_CONFIG.read_bytes())["models"]
    wanted = {
        f"{vendor}/{model}"
        for alias in aliases.values()
        for card in alias["models"]
        for vendor, ids in cards[card]["at"].items()
        for model in ids
    }
    taken = {}
    for name, row in rows.items():
        try:
            _, target = place_of(name, row)
        except (Refused, KeyError):
            continue
        if target in wanted:
            taken[name] = {field: _plain(row[field]) for field in sorted(row) if field in _FIELDS or "_cost" in field}
    kept = ",\n".join(f"{json.dumps(name)}:{compact(row)}" for name, row in sorted(taken.items()))
    return f'{compact(source())[:-1]},\n"rows":{{\n{kept}\n}}}}\n'


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    return str(value) if isinstance(value, Decimal) else value
