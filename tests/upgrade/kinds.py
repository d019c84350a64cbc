"""The kinds of stored items, and the attributes and types of each kind, found in the items that a life has stored."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Shapes = dict[str, dict[str, str]]
"""By kind (`limits: key`), what its attributes are (`N`, `S|absent`, ...)."""
# Placeholders for the parts of a name that differ from item to item, the longest first.
_PARTS = (
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d"), "<hour>"),
    (re.compile(r"\d{4}-\d\d-\d\d"), "<day>"),
    (re.compile(r"\d{4}-W\d\d"), "<week>"),
    (re.compile(r"\d{4}-\d\d"), "<month>"),
)
_OF_NAMES = ("metadata", "model_limits", "terms")  # objects whose members have names that somebody chose
_WINDOW = re.compile(r"(?<=_)(total|<day>|<week>|<month>)$")


def kind_of(table: str, item: Mapping[str, Any]) -> str:
    """The kind of an item, in DynamoDB's format."""
    said = {name: next(iter(value.values())) for name, value in item.items()}
    match table:
        case "api-keys":
            what = said["kind"]
        case "limits":
            what = said["id"].partition("#")[0] if "#" in said["id"] else "key"
        case "request-analytics":
            what = said["state"] + (", long" if "#l" in said["minute"] else "")
        case "usage":
            what = _of_usage(said)
        case "state":
            what = said["pk"].partition("#")[0] + _of_state(said)
        case _:
            what = said["part"].partition("#")[0] if not said["id"].startswith("#") else said["id"]
    return f"{table}: {what}"


def _of_usage(said: Mapping[str, Any]) -> str:
    if said["pk"].startswith("session#"):
        return "a session's, erased" if "erased" in said else "a session's"
    return {"-": "a day's sum", "c": "corrections"}.get(said["slot"], "a slot")


def _of_state(said: Mapping[str, Any]) -> str:
    sort = str(said["sk"])
    if said["pk"].startswith("idempotency#"):
        return f", {said['state']}" if "state" in said else ", an answer"
    if said["pk"] == "config":
        return f", {sort.partition('#')[0]}"
    if said["pk"] == "health":
        return ", observed" if sort == "observed" else ", breaker, forced" if "forced" in said else ", breaker"
    return f", {sort}" if said["pk"] == "sweeper" else ""


def shapes(items: Mapping[str, Iterable[Mapping[str, Any]]]) -> Shapes:
    """The kinds of all these items. Counters whose names depend on the data are counted as one: `m|<name>|n`."""
    found: dict[str, list[Mapping[str, str]]] = {}
    for table, stored in items.items():
        for item in stored:
            named = {name: kind for each, value in item.items() for name, kind in _flat(_name(each, table), value)}
            found.setdefault(kind_of(table, item), []).append(named)
    return {kind: _together(found[kind]) for kind in sorted(found)}


def _together(items: list[Mapping[str, str]]) -> dict[str, str]:
    names = sorted({name for item in items for name in item})
    types = {name: sorted({item[name] for item in items if name in item}) for name in names}
    return {
        name: " or ".join(types[name]) + ("" if all(name in item for item in items) else ", not always")
        for name in names
    }


def _name(name: str, table: str) -> str:
    if table == "usage" and "|" in name:
        first, *middle, last = name.split("|")
        return "|".join([first, *("*" if part == "*" else "<name>" for part in middle), _latency(last)])
    if "|" in name:
        return "<name>|" + name.split("|", 1)[1]
    for pattern, place in _PARTS:
        name = pattern.sub(place, name)
    name = _WINDOW.sub("<window>", name) if name.startswith(("used_", "spent_", "o_", "s_", "n_")) else name
    return re.sub(r"^(t?tat_)\d$", r"\1<label>", name)


def _latency(part: str) -> str:
    return "l<bucket>" if re.fullmatch(r"l\d+", part) else part


def _flat(name: str, value: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """An attribute and its members, each by its path and type."""
    ((kind, inner),) = value.items()
    yield name, str(kind)
    if kind == "M":
        for key, each in inner.items():
            yield from _flat(f"{name}.{'<name>' if name in _OF_NAMES else key}", each)
    elif kind == "L":
        for each in inner:
            yield from _flat(f"{name}[]", each)
