"""The single update that admits a call: every limit, the hold, the tags and the key's state in one expression."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from gateway.dynamodb.attributes import to_item
from gateway.ledger.admission import Demand, Terms, Windows, booking_of
from gateway.ledger.moves import Move, Variant
from gateway.ledger.tags import ROOM, set_name
from gateway.limits import COUNTED, Bucket

# For each counted limit: its placeholders' letter, the expression that adds to it, the condition that limits it.
_COUNTS: Final = tuple(
    (
        limit,
        mark,
        f"#{mark} = if_not_exists(#{mark}, :zero) + {':tokens' if limit.unit == 'tokens' else ':one'}",
        f"(attribute_not_exists(#{mark}) OR #{mark} <= :{mark})",
    )
    for limit, mark in ((each, each.attribute[0]) for each in COUNTED)
)
_HOLD: Final = (
    "#u = if_not_exists(#u, :zero) + :est",
    "#o = if_not_exists(#o, :zero) + :est",
    "#n = if_not_exists(#n, :zero) + :one",
)


@lru_cache(maxsize=16)
def _names(hour: str, budget: str) -> Mapping[str, str]:
    """The attribute names that every admission of an hour and a budget window uses: the counters and the hold."""
    booking = booking_of(hour, budget)
    names = {
        f"#{mark}": limit.counter(hour) if limit.kind == "window" else limit.attribute for limit, mark, *_ in _COUNTS
    }
    return names | {"#u": booking.used, "#o": booking.held, "#n": booking.calls}


@dataclass(slots=True)
class Expression:
    """The parts of one update, which are joined at the end."""

    sets: list[str] = field(default_factory=list)
    removes: list[str] = field(default_factory=list)
    adds: dict[str, list[str]] = field(default_factory=dict)  # name to bytes in base64
    conditions: list[str] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)

    def request(self, table: str, key: str, returned: str) -> dict[str, Any]:
        update = "SET " + ", ".join(self.sets) + (" REMOVE " + ", ".join(self.removes) if self.removes else "")
        values = to_item(self.values)
        for number, (name, members) in enumerate(self.adds.items()):
            update += f"{', ' if number else ' ADD '}{name} :m{number}"
            values[f":m{number}"] = {"BS": members}
        request: dict[str, Any] = {
            "TableName": table,
            "Key": to_item({"id": key}),
            "UpdateExpression": update,
            "ConditionExpression": " AND ".join(self.conditions),
            "ExpressionAttributeValues": values,
            "ReturnValues": returned,
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        return request | ({"ExpressionAttributeNames": self.names} if self.names else {})


def admission(
    version: int,
    terms: Terms,
    demand: Demand,
    windows: Windows,
    variant: Variant,
    stale: Sequence[str],
    marks: Sequence[str],
) -> Expression:
    """The expression of an admission, on the account's terms at this version of its record."""
    expression = Expression(names=dict(_names(windows.hour, windows.budget)))
    _active(expression, version)
    _buckets(expression, terms, demand, windows, variant)
    _counters(expression, terms, demand)
    _money(expression, terms, demand, windows.now)
    _tags(expression, marks, windows)
    _forget(expression, stale)
    return expression


def _active(expression: Expression, version: int) -> None:
    expression.values |= {":A": "A", ":kv": version}
    expression.conditions += ["st = :A", "kv = :kv"]


def _buckets(expression: Expression, terms: Terms, demand: Demand, windows: Windows, variant: Variant) -> None:
    for limit, bucket in terms.buckets:
        move, units = variant.of(limit.attribute), limit.asks(demand.tokens)
        _bucket(expression, limit.attribute, bucket, units, windows.now, move)


def _bucket(expression: Expression, name: str, bucket: Bucket, units: int, now: int, move: Move) -> None:
    # Units that do not even fit an empty bucket were refused before, or have the form "over". That form needs no
    # condition: it was chosen by an older state of the item, and an arrival time only grows.
    if move.form == "over":
        return
    mark, start, most, cost = name[:2], now - bucket.slack, now + bucket.tau(units), bucket.cost(units)
    label = f"{name}_{move.label}"
    if move.label is not None:
        expression.removes += [f"{name}_{other}" for other in move.other_labels]
    if move.form == "busy":
        expression.values |= {f":{mark}0": move.least, f":{mark}1": most, f":{mark}c": cost + move.extra}
        moved = (name,) if move.label is None else (name, label)
        expression.sets += [f"{each} = {name} + :{mark}c" for each in moved]
        expression.conditions.append(f"{name} BETWEEN :{mark}0 AND :{mark}1")
        return
    idle = f"attribute_not_exists({name}) OR {name} < :{mark}0"
    expression.values[f":{mark}0"] = start
    if move.form == "idle":
        expression.values[f":{mark}1"] = start + cost
        expression.sets.append(f"{name} = :{mark}1")
        expression.conditions.append(f"({idle})")
        return
    expression.values |= {f":{mark}1": most, f":{mark}c": cost}
    expression.sets += [f"{each} = if_not_exists({label}, :{mark}0) + :{mark}c" for each in (name, label)]
    # If both are equal, nobody has moved one of them without the other.
    others = f"{label} = {name} AND {label} BETWEEN :{mark}0 AND :{mark}1"
    expression.conditions.append(f"(({others}) OR (attribute_not_exists({label}) AND ({idle})))")


def _counters(expression: Expression, terms: Terms, demand: Demand) -> None:
    """Everything is counted, limited or not, so that a limit that is set in the middle of a window applies at once."""
    expression.values |= {":zero": 0, ":one": 1, ":tokens": demand.tokens}
    for limit, mark, added, condition in _COUNTS:
        expression.sets.append(added)
        most = terms.most(limit)
        if most is not None and terms.enforced(limit.name):
            # A call beyond the whole limit was refused before, so a window without a counter has room.
            expression.values[f":{mark}"] = most - limit.asks(demand.tokens)
            expression.conditions.append(condition)


def _tags(expression: Expression, marks: Sequence[str], windows: Windows) -> None:
    if marks:
        expression.names["#g"] = set_name(windows.day)
        expression.adds["#g"] = list(marks)
        expression.values[":g"] = ROOM - len(marks)
        expression.conditions.append("(attribute_not_exists(#g) OR size(#g) <= :g)")


def _money(expression: Expression, terms: Terms, demand: Demand, now: int) -> None:
    expression.values[":est"] = demand.est
    expression.sets += _HOLD
    budget = terms.budget_at(now)
    if budget is not None and terms.enforced("budget"):
        # As for a counter: a window without the attribute has room.
        expression.values[":room"] = budget - demand.est
        expression.conditions.append("(attribute_not_exists(#u) OR #u <= :room)")


def _forget(expression: Expression, stale: Iterable[str]) -> None:
    for number, name in enumerate(stale):
        expression.names[f"#o{number}"] = name
        expression.removes.append(f"#o{number}")
