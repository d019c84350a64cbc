"""The single update that admits a call: every limit, the hold, the tags and the key's state in one expression.

Its texts depend only on its shape (which limits there are, how each bucket moves), which is the same for almost all
calls, so they are written once for each shape. Only its names and its values are made for each call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from gateway.ledger.admission import Booking, Demand, Terms, Windows
from gateway.ledger.moves import IDLE, Form, Variant, other_labels
from gateway.ledger.tags import ROOM, set_name
from gateway.limits import COUNTED

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
_ACTIVE: Final = {"S": "A"}
ZERO, ONE = {"N": "0"}, {"N": "1"}


def admission(
    table: str,
    account: str,
    version: int,
    terms: Terms,
    demand: Demand,
    windows: Windows,
    variant: Variant,
    stale: Sequence[str],
    marks: Sequence[str],
) -> dict[str, Any]:
    """The update of an account's item, on the account's terms at this version of its record."""
    now, est = windows.now, demand.est
    budget = terms.budget_at(now) if terms.budget_raise else terms.budget
    if "budget" in terms.shadow:
        budget = None
    names = _names(windows.booking)
    values: dict[str, Any] = {
        ":A": _ACTIVE,
        ":kv": {"N": str(version)},
        ":zero": ZERO,
        ":one": ONE,
        ":tokens": {"N": str(demand.tokens)},
        ":est": {"N": str(est)},
    }
    moves = _limit_values(values, terms, demand, now, variant)
    if budget is not None:  # as for a counter: a window without the attribute has room
        values[":room"] = {"N": str(budget - est)}
    if marks:
        names = {**names, "#g": set_name(windows.day)}
        values |= {":g": {"N": str(ROOM - len(marks))}, ":m0": {"BS": list(marks)}}
    if stale:
        names = {**names, **{f"#o{number}": name for number, name in enumerate(stale)}}
    update, condition = _texts(moves, terms.counted_names, budget is not None, len(stale), bool(marks))
    return {
        "TableName": table,
        "Key": {"id": {"S": account}},
        "UpdateExpression": update,
        "ConditionExpression": condition,
        "ExpressionAttributeValues": values,
        "ReturnValues": "ALL_NEW",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        "ExpressionAttributeNames": names,
    }


@lru_cache(maxsize=16)
def _names(booking: Booking) -> Mapping[str, str]:
    """The attribute names that every admission of an hour and a budget window uses: the counters and the hold."""
    hour = booking.hour
    names = {
        f"#{mark}": limit.counter(hour) if limit.kind == "window" else limit.attribute for limit, mark, *_ in _COUNTS
    }
    return names | {"#u": booking.used, "#o": booking.held, "#n": booking.calls}


@lru_cache(maxsize=512)
def _texts(
    buckets: tuple[tuple[str, Form, int | None], ...], counted: tuple[str, ...], budget: bool, stale: int, tagged: bool
) -> tuple[str, str]:
    """The update expression of an admission of this shape, and its condition. `buckets`: of each its attribute, and
    the form and label of its move. `counted` are the attributes of the counted limits that are enforced, `budget` says
    whether one is. `stale` is how many attributes are removed, `tagged` whether tags are added."""
    sets, removes, conditions = list[str](), list[str](), ["st = :A", "kv = :kv"]
    for name, form, label in buckets:
        _bucket_texts(name, form, label, sets, removes, conditions)
    for limit, _mark, added, condition in _COUNTS:
        # Everything is counted, limited or not, so that a limit that is set in the middle of a window applies at once.
        sets.append(added)
        if limit.attribute in counted:
            conditions.append(condition)
    sets += _HOLD
    if budget:
        conditions.append("(attribute_not_exists(#u) OR #u <= :room)")
    if tagged:
        conditions.append("(attribute_not_exists(#g) OR size(#g) <= :g)")
    removes += [f"#o{number}" for number in range(stale)]
    update = "SET " + ", ".join(sets) + (" REMOVE " + ", ".join(removes) if removes else "")
    return update + (" ADD #g :m0" if tagged else ""), " AND ".join(conditions)


def _bucket_texts(
    name: str, form: Form, label: int | None, sets: list[str], removes: list[str], conditions: list[str]
) -> None:
    # Units that do not even fit an empty bucket were refused before, or have the form "over". That form needs no
    # condition: it was chosen by an older state of the item, and an arrival time only grows.
    if form == "over":
        return
    mark, labelled = name[:2], f"{name}_{label}"
    if label is not None:
        removes += [f"{name}_{other}" for other in other_labels(label)]
    if form == "busy":
        moved = (name,) if label is None else (name, labelled)
        sets += [f"{each} = {name} + :{mark}c" for each in moved]
        conditions.append(f"{name} BETWEEN :{mark}0 AND :{mark}1")
        return
    idle = f"attribute_not_exists({name}) OR {name} < :{mark}0"
    if form == "idle":
        sets.append(f"{name} = :{mark}1")
        conditions.append(f"({idle})")
        return
    sets += [f"{each} = if_not_exists({labelled}, :{mark}0) + :{mark}c" for each in (name, labelled)]
    # If both are equal, nobody has moved one of them without the other.
    others = f"{labelled} = {name} AND {labelled} BETWEEN :{mark}0 AND :{mark}1"
    conditions.append(f"(({others}) OR (attribute_not_exists({labelled}) AND ({idle})))")


def _limit_values(
    values: dict[str, Any], terms: Terms, demand: Demand, now: int, variant: Variant
) -> tuple[tuple[str, Form, int | None], ...]:
    """Add the values that the texts of the limits name. Returns the buckets as `_texts` takes them."""
    # A call beyond the whole limit was refused before, so a window without a counter has room.
    values.update(terms.before_a_call)
    tokens = demand.tokens
    for mark, most in terms.counted_tokens:
        values[mark] = {"N": str(most - tokens)}
    moves: list[tuple[str, Form, int | None]] = []
    for rate in terms.rates:
        move = variant.moves.get(rate.name, IDLE)
        form = move.form
        moves.append((rate.name, form, move.label))
        if form == "over":
            continue
        units, start = tokens if rate.tokens else 1, now - rate.slack
        cost = units * rate.step
        if form == "idle":
            first, last = start, start + cost
        else:
            first, last = move.least if form == "busy" else start, now + rate.bucket.tau(units)
            values[rate.moved] = {"N": str(cost + move.extra)}
        values[rate.first] = {"N": str(first)}
        values[rate.last] = {"N": str(last)}
    return tuple(moves)
