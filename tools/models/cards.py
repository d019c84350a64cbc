"""Model cards: shared/gateway/data/models.json, of the price list's targets and of what is kept by hand.

A card is one model, whoever serves it: its ids by vendor, its family, when it was made, who takes over from it. What
differs by target (prices, window, largest output, capabilities, end of life) stands with its price.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from gateway.models.geographies import geography_of, own_id
from tools.models.source import Row, compact, lines, source

_DATE = re.compile(r"-(20\d\d)-?(\d\d)-?(\d\d)$")
_VERSION = re.compile(r"(-v?\d+:\d+|-v\d+|:\d+)$")


def names(targets: Iterable[str], kept: Mapping[str, Any]) -> dict[str, str]:
    """The card of each target. A date belongs to the name where a model has more than one of them: two versions are two
    models."""
    full = {target: _full_name(target, kept) for target in targets if "/ft:" not in target}
    dates: dict[str, set[str]] = defaultdict(set)
    for name in full.values():
        if date := _date(name):
            dates[_undated(name)].add(date)
    return {
        target: _DATE.sub("", name) if len(dates[_DATE.sub("", name)]) == 1 else name for target, name in full.items()
    }


def with_ends(rows: Mapping[str, Row], cards: Mapping[str, str], kept: Mapping[str, Any]) -> dict[str, Row]:
    """Prices with what is kept of the end of life. Raises SystemExit where the ids of one model at one vendor end on
    different days and nothing is kept of it: one of them is wrong."""
    said: dict[tuple[str, str], set[str]] = defaultdict(set)
    made = {}
    for name, row in rows.items():
        target = _target(name)
        vendor, card = target.partition("/")[0], cards.get(target, "")
        by_hand = kept["ends"].get(vendor, {})
        ends = by_hand[card] if card in by_hand else row.get("ends")
        made[name] = {field: value for field, value in row.items() if field != "ends"} | (
            {"ends": ends} if ends else {}
        )
        if card:
            said[name.removesuffix(target) + vendor, card].add(ends or "")  # a place may have a day of its own
    unclear = sorted(f"{vendor}: {card}: {sorted(days)}" for (vendor, card), days in said.items() if len(days) > 1)
    if unclear:
        raise SystemExit("which end of life holds? keep one in kept.json:\n" + "\n".join(unclear))
    return made


def cards_of(models: Mapping[str, Row], cards: Mapping[str, str], kept: Mapping[str, Any]) -> dict[str, Row]:
    """The cards by name."""
    ids: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    dated: dict[str, set[str]] = defaultdict(set)
    ending = set()
    for target, card in cards.items():
        vendor, _, model = target.partition("/")
        ids[card][vendor].append(model)
        if date := _date(_full_name(target, kept)):
            dated[card].add(date)
        if models[target].get("ends"):
            ending.add(card)
    made = {}
    for card, at in ids.items():
        family = _family(card, kept)
        row: Row = {"at": {vendor: sorted(found, key=_preferred) for vendor, found in at.items()}}
        if family:
            row["family"] = family
        if created := kept["created"].get(card) or min(dated[card], default=""):
            row["created"] = created
        after = kept["successors"].get(card) or kept["current"].get(family)
        if card in ending and after and after != card:
            row["successor"] = after
        made[card] = row
    return made


def render(cards: dict[str, Row], kept: Mapping[str, Any]) -> str:
    """One card a line."""
    head = source() | {"kept": kept["sources"]}
    return f'{compact(head)[:-1]},\n"models":{lines(cards)}}}\n'


def _target(name: str) -> str:
    """Of a price's name, which may have a place in front."""
    return "/".join(name.split("/")[-2:])


def _full_name(target: str, kept: Mapping[str, Any]) -> str:
    """A model's name with its date, as YYYYMMDD or YYYY-MM-DD, where its id has one."""
    vendor, _, model = target.partition("/")
    own = own_id(model)
    if vendor == "bedrock":  # its ids are `maker.model`
        own = own.partition(".")[2] or own
    if own in kept["names"]:
        return str(kept["names"][own])
    return _VERSION.sub("", own) if vendor == "bedrock" else own


def _undated(name: str) -> str:
    return _DATE.sub("", name)


def _date(name: str) -> str:
    found = _DATE.search(name)
    return "-".join(found.groups()) if found else ""


def _family(card: str, kept: Mapping[str, Any]) -> str:
    for pattern, family in kept["families"]:
        if found := re.search(pattern, card):
            return str(found.expand(family))
    return ""


def _preferred(model: str) -> tuple[bool, int, str]:
    """What a model is called by at a vendor, the first: a profile before the bare id, no date before a date."""
    return geography_of(model) is None, len(model), model
