"""The catalogue as a table: what a deployment in a region offers by its packaged config."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from gateway.config.document import parse_config
from gateway.config.service import defaults
from gateway.errors import NotFound
from gateway.models.listing import listed
from gateway.models.model_names import ModelNames
from gateway.models.prices import PriceBook

_HEAD = ("NAME", "TARGET", "WINDOW", "OUTPUT", "IN $/M", "OUT $/M", "CACHED", "DIALECTS", "CAPABILITIES", "ENDS")


def render(
    region: str, providers: tuple[str, ...], *, everything: bool = False, residency: str = "", today: str = ""
) -> str:
    """One model a line, which of them end soon or have ended, and what it was made of."""
    today = today or time.strftime("%Y-%m-%d", time.gmtime())
    prices = PriceBook.load(region)
    names = ModelNames(parse_config(defaults()), prices, providers, region, today)
    shown = [listed(route, names) for route in names.routes(residency=residency, everything=everything)]
    rows = [_HEAD, *map(_row, shown)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    bound = f" within {residency}" if residency else ""
    sources = sorted({f"{each['pricing']['source']} of {each['pricing'].get('date', '-')}" for each in shown})
    told = f"{len(shown)} names in {region} by {', '.join(providers)}{bound} on {today}; prices: {'; '.join(sources)}"
    return "\n".join((*lines, "", *ending(names), told))


def ending(names: ModelNames) -> list[str]:
    """The config's aliases whose model has ended, or ends soon: a line each. Nothing else tells whoever maintains the
    packaged config, since no test depends on the date."""
    found = []
    for alias in sorted(names.config.models):
        try:
            route = names.resolve(alias)
        except NotFound as error:
            if error.code == "model_end_of_life":
                found.append(f"ENDED       {error.message}")
        else:
            if route.ending:
                instead = f"; then {route.successor}" if route.successor else ""
                found.append(f"ENDS SOON   {alias} ({route.target}) on {route.ending}{instead}")
    return found


def _row(shown: dict[str, Any]) -> Sequence[str]:
    price = shown["pricing"]
    ends = shown["shutdown_date"] or ""
    after = f" then {shown['successor']}" if shown["successor"] else ""
    return (
        shown["id"],
        shown["target"],
        _tokens(shown["context_window"]),
        _tokens(shown["max_output_tokens"]),
        f"{price['input']:g}",
        f"{price['output']:g}",
        f"{price['cached']:g}" if "cached" in price else "-",
        ",".join(shown["dialects"]),
        ",".join(shown["capabilities"]),
        ends + after,
    )


def _tokens(number: int | None) -> str:
    return "-" if number is None else f"{number:,}"
