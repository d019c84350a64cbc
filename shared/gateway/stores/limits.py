"""The table `limits`: one item a key, and an admission is one conditional update of it.

Attributes: `st` (A active, R revoked), `kv` (the key record's version), `tat` and `ttat` (arrival times of requests and
tokens), `inflight`, `h_<hour>` and `d_<day>` (calls), `rem_<window>` and `spent_<window>` (micro-dollars left and
spent), `a_<hour>` and `r_<hour>` (micro-dollars held and released in that hour). Windows are in the names, so that
a new one needs no reset: it is simply not there yet.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.domain.admission import Bucket, Demand, Terms, Variant, Windows
from gateway.errors import ConditionFailed, TransactionCanceled
from gateway.stores.attributes import from_item, to_item
from gateway.stores.dynamodb import Database


@dataclass(slots=True)
class _Expression:
    """Parts of one update, put together at the end."""

    sets: list[str] = field(default_factory=list)
    removes: list[str] = field(default_factory=list)
    conditions: list[str] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)

    def request(self, table: str, key: str, returned: str) -> dict[str, Any]:
        update = "SET " + ", ".join(self.sets) + (" REMOVE " + ", ".join(self.removes) if self.removes else "")
        request: dict[str, Any] = {
            "TableName": table,
            "Key": to_item({"id": key}),
            "UpdateExpression": update,
            "ConditionExpression": " AND ".join(self.conditions),
            "ExpressionAttributeValues": to_item(self.values),
            "ReturnValues": returned,
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        return request | ({"ExpressionAttributeNames": self.names} if self.names else {})


@dataclass(frozen=True, slots=True)
class Release:
    """What a settled call gives back and books, in micro-dollars, and in which windows."""

    est: int
    actual: int
    hour: str
    window: str
    budgeted: bool


class LimitsStore:
    """Counters: no call here is ever repeated by itself."""

    def __init__(self, database: Database, table: str, keys_table: str) -> None:
        self._database = database
        self._table = table
        self._keys_table = keys_table

    def admit(
        self,
        key_id: str,
        version: int,
        terms: Terms,
        demand: Demand,
        windows: Windows,
        variant: Variant,
        stale: Sequence[str] = (),
    ) -> dict[str, Any]:
        """Admit one call: every limit, the hold and the revocation in one decision. Returns the item as it is then.

        Raises ConditionFailed with the item as it stood (None where there is none yet).
        """
        expression = _Expression()
        _active(expression, version)
        _requests(expression, terms, windows, variant)
        _tokens(expression, terms, demand, windows, variant)
        _counters(expression, terms, windows)
        _money(expression, terms, demand, windows)
        _forget(expression, stale)
        reply = self._database.call("UpdateItem", expression.request(self._table, key_id, "ALL_NEW"))
        return from_item(reply["Attributes"])

    def create(self, key_id: str, version: int) -> None:
        """The item of a key's first call, if the key record is active at this version. Raises ConditionFailed if not.

        That the item is there already is fine: somebody else's call was first.
        """
        check = {
            "TableName": self._keys_table,
            "Key": to_item({"id": key_id}),
            "ConditionExpression": "#state = :active AND version = :version",
            "ExpressionAttributeNames": {"#state": "state"},
            "ExpressionAttributeValues": to_item({":active": "active", ":version": version}),
        }
        put = {
            "TableName": self._table,
            "Item": to_item({"id": key_id, "st": "A", "kv": version}),
            "ConditionExpression": "attribute_not_exists(id)",
        }
        try:
            self._database.call("TransactWriteItems", {"TransactItems": [{"ConditionCheck": check}, {"Put": put}]})
        except TransactionCanceled as canceled:
            if canceled.reasons[0] == "ConditionalCheckFailed":
                raise ConditionFailed("TransactWriteItems") from None

    def release(self, key_id: str, release: Release) -> bool:
        """Give a hold back and book what was spent. False, and nothing done, where the hour was reconciled already."""
        values = {":back": release.est - release.actual, ":zero": 0, ":one": 1}
        names = {"#a": f"a_{release.hour}", "#r": f"r_{release.hour}", "#s": f"spent_{release.window}"}
        sets = [
            "#r = if_not_exists(#r, :zero) + :back",
            "#s = if_not_exists(#s, :zero) + :actual",
            "inflight = inflight - :one",
        ]
        values[":actual"] = release.actual
        if release.budgeted:
            names["#rem"] = f"rem_{release.window}"
            sets.append("#rem = #rem + :back")
        request = {
            "TableName": self._table,
            "Key": to_item({"id": key_id}),
            "UpdateExpression": "SET " + ", ".join(sets),
            "ConditionExpression": "attribute_exists(#a)",
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": to_item(values),
        }
        try:
            self._database.call("UpdateItem", request)
        except ConditionFailed:
            return False
        return True

    def set_state(self, key_id: str, state: str, version: int) -> None:
        """A change of the key (state A or R) that its next call meets, whatever was there before."""
        request = {
            "TableName": self._table,
            "Key": to_item({"id": key_id}),
            "UpdateExpression": "SET st = :state, kv = :version",
            "ExpressionAttributeValues": to_item({":state": state, ":version": version}),
        }
        self._database.call("UpdateItem", request, attempts=2)


def _active(expression: _Expression, version: int) -> None:
    expression.values |= {":A": "A", ":kv": version}
    expression.conditions += ["st = :A", "kv = :kv"]


def _requests(expression: _Expression, terms: Terms, windows: Windows, variant: Variant) -> None:
    enforced = terms.enforced("requestsPerMinute")
    _bucket(expression, "tat", terms.requests, 1, windows.now, idle=variant.requests_idle, enforced=enforced)


def _tokens(expression: _Expression, terms: Terms, demand: Demand, windows: Windows, variant: Variant) -> None:
    if terms.tokens is not None:
        enforced = terms.enforced("tokensPerMinute")
        idle = variant.tokens_idle
        _bucket(expression, "ttat", terms.tokens, demand.tokens, windows.now, idle=idle, enforced=enforced)


def _bucket(
    expression: _Expression, name: str, bucket: Bucket, units: int, now: int, *, idle: bool, enforced: bool
) -> None:
    # Units that fit not even an empty bucket were refused before.
    mark, start = name[:2], now - bucket.slack
    expression.values[f":{mark}0"] = start
    if idle:
        expression.values[f":{mark}1"] = start + bucket.cost(units)
        expression.sets.append(f"{name} = :{mark}1")
        expression.conditions.append(f"(attribute_not_exists({name}) OR {name} < :{mark}0)")
        return
    expression.values[f":{mark}c"] = bucket.cost(units)
    expression.sets.append(f"{name} = {name} + :{mark}c")
    if enforced:
        expression.values[f":{mark}1"] = now + bucket.tau(units)
        expression.conditions.append(f"{name} BETWEEN :{mark}0 AND :{mark}1")
    else:
        expression.conditions.append(f"{name} >= :{mark}0")


def _counters(expression: _Expression, terms: Terms, windows: Windows) -> None:
    hour = terms.per_hour if terms.enforced("requestsPerHour") else None
    day = terms.per_day if terms.enforced("requestsPerDay") else None
    parallel = terms.parallel if terms.enforced("maxParallelRequests") else None
    expression.values |= {":zero": 0, ":one": 1}
    for mark, name, limit in (
        ("h", f"h_{windows.hour}", hour),
        ("d", f"d_{windows.day}", day),
        ("i", "inflight", parallel),
    ):
        expression.names[f"#{mark}"] = name
        expression.sets.append(f"#{mark} = if_not_exists(#{mark}, :zero) + :one")
        if limit is not None:
            expression.values[f":{mark}"] = limit
            expression.conditions.append(f"(attribute_not_exists(#{mark}) OR #{mark} < :{mark})")


def _money(expression: _Expression, terms: Terms, demand: Demand, windows: Windows) -> None:
    expression.names["#a"] = f"a_{windows.hour}"
    expression.values[":est"] = demand.est
    expression.sets.append("#a = if_not_exists(#a, :zero) + :est")
    if terms.budget is None:
        return
    expression.names["#rem"] = f"rem_{windows.budget}"
    expression.values[":lim"] = terms.budget
    expression.sets.append("#rem = if_not_exists(#rem, :lim) - :est")
    if terms.enforced("budget"):
        # What exceeds the whole budget was refused before: a window that is not there yet has room.
        expression.conditions.append("(attribute_not_exists(#rem) OR #rem >= :est)")


def _forget(expression: _Expression, stale: Iterable[str]) -> None:
    for number, name in enumerate(stale):
        expression.names[f"#o{number}"] = name
        expression.removes.append(f"#o{number}")
