"""The table `limits`: one item per account. An admission is one conditional update of it.

Attributes: `st` (A active, R revoked), `kv` (the record's version); each limit's count, under its `attribute` in the
table of limits (`gateway.limits.LIMITS`): a bucket's arrival time (`tat_3` is the same under a label, see
`gateway.ledger.moves.Move`), and what was used and held in a window (`t_<day>`); `used_<window>` (micro-dollars spent
and held) and `spent_<window>`; `g_<day>` (hashes of a key's tags: gateway.ledger.tags); for each hour that is not
reconciled yet `o_<hour>_<window>` (held), `s_<hour>_<window>` (spent) and `n_<hour>_<window>` (calls under way). The
names contain their window, so a new window needs no reset: its attribute does not exist yet. The limits themselves are
not here: a changed limit applies as soon as callers know it, and `kv` makes them read it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any

from msgspec import Struct

from gateway.dynamodb.attributes import from_item, to_item
from gateway.dynamodb.client import Database, pages, read_all
from gateway.errors import ConditionFailed, TransactionCanceled
from gateway.identity.account_ids import named
from gateway.identity.records import REVOKED
from gateway.ledger.admission import Booking, Demand, Terms, Windows, booking_of
from gateway.ledger.expressions import ONE, ZERO, admission
from gateway.ledger.moves import Variant

_KEPT_AS_REVOKED = ("team", "user")  # a key's record is deleted; these stay, so that their versions go on


class Release(Struct, frozen=True):
    """What an ended call gives back and what it spent, in micro-dollars, and where that is booked. The held and used
    tokens correct the token `counters` whose windows are not over."""

    est: int
    actual: int
    booking: Booking
    held: int = 0
    used: int = 0
    counters: tuple[str, ...] = ()


class LimitsStore:
    """Counters: no call that changes one is ever repeated automatically."""

    def __init__(self, database: Database, table: str, keys_table: str) -> None:
        self._database = database
        self._table = table
        self._keys_table = keys_table

    def admit(
        self,
        account: str,
        version: int,
        terms: Terms,
        demand: Demand,
        windows: Windows,
        variant: Variant,
        stale: Sequence[str] = (),
        marks: Sequence[str] = (),
    ) -> dict[str, Any]:
        """Admit one call: one decision covers every limit, the hold and the revocation. Returns the item after the
        update. `marks` go into the day's set of tags, which must have room for all of them.

        Raises ConditionFailed with the current item (None if there is no item yet).
        """
        request = admission(self._table, account, version, terms, demand, windows, variant, stale, marks)
        return from_item(self._database.call("UpdateItem", request)["Attributes"])

    def create(self, account: str, version: int) -> None:
        """Create the item for a first call. Raises ConditionFailed if the account's record is not active at this
        version.

        An item that already exists is fine: another call was first.
        """
        check = {
            "TableName": self._keys_table,
            "Key": to_item({"id": named(account).record}),
            "ConditionExpression": "#state = :active AND version = :version",
            "ExpressionAttributeNames": {"#state": "state"},
            "ExpressionAttributeValues": to_item({":active": "active", ":version": version}),
        }
        put = {
            "TableName": self._table,
            "Item": to_item({"id": account, "st": "A", "kv": version}),
            "ConditionExpression": "attribute_not_exists(id)",
        }
        try:
            self._database.call("TransactWriteItems", {"TransactItems": [{"ConditionCheck": check}, {"Put": put}]})
        except TransactionCanceled as canceled:
            if canceled.reasons[0] == "ConditionalCheckFailed":
                raise ConditionFailed("TransactWriteItems") from None

    def release(self, account: str, release: Release) -> bool:
        """Give a hold back and book what was spent. Does nothing and returns False if the hour was already
        reconciled."""
        est, actual, booking = release.est, release.actual, release.booking
        held, used, counters = release.held, release.used, release.counters
        values = {
            ":more": {"N": str(actual - est)},
            ":est": {"N": str(est)},
            ":actual": {"N": str(actual)},
            ":zero": ZERO,
            ":one": ONE,
        }
        corrected = counters if used != held else ()
        if corrected:
            values[":held"], values[":tokens"] = {"N": str(held)}, {"N": str(used - held)}
        names, update = _released(booking.hour, booking.window, corrected)
        request = {
            "TableName": self._table,
            "Key": {"id": {"S": account}},
            "UpdateExpression": update,
            "ConditionExpression": "attribute_exists(#o)",
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
        }
        try:
            self._database.call("UpdateItem", request)
        except ConditionFailed:
            return False
        return True

    def resize(self, account: str, booking: Booking, more: int, most: int | None = None) -> dict[str, Any]:
        """Hold `more` micro-dollars in addition for a call under way, or less if it is negative. `most`: the most that
        may be used of the budget before that. Returns the item after the update. Raises ConditionFailed, with the
        current item, if more is used or the hour was reconciled."""
        room = "" if most is None else " AND #u <= :most"
        request = {
            "TableName": self._table,
            "Key": to_item({"id": account}),
            "UpdateExpression": "SET #u = #u + :more, #o = #o + :more",
            "ConditionExpression": f"attribute_exists(#o){room}",
            "ExpressionAttributeNames": {"#u": booking.used, "#o": booking.held},
            "ExpressionAttributeValues": to_item({":more": more} | ({} if most is None else {":most": most})),
            "ReturnValues": "ALL_NEW",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        return from_item(self._database.call("UpdateItem", request)["Attributes"])

    def set_state(self, account: str, state: str, version: int) -> None:
        """Write a change of the record (state A or R), which the next call will find, unless a later change was written
        already. Without an item there is nothing to write: a first call creates one, and only from the record as it is
        then."""
        request = {
            "TableName": self._table,
            "Key": to_item({"id": account}),
            "UpdateExpression": "SET st = :state, kv = :version",
            "ConditionExpression": "kv < :version",
            "ExpressionAttributeValues": to_item({":state": state, ":version": version}),
        }
        with suppress(ConditionFailed):
            self._database.call("UpdateItem", request, attempts=2)

    def get(self, account: str) -> dict[str, Any]:
        """The current item, empty if it does not exist. Raises StoreUnavailable."""
        request = {"TableName": self._table, "Key": to_item({"id": account}), "ConsistentRead": True}
        return from_item(self._database.call("GetItem", request, attempts=2).get("Item", {}))

    def items(self) -> Iterator[dict[str, Any]]:
        """Every item, at most a few seconds old; only for the hourly reconcile."""
        return pages(self._database, {"TableName": self._table}, "Scan", attempts=3)

    def gone(self, accounts: Sequence[str]) -> dict[str, int]:
        """The accounts among these whose record is deleted, each with the version of its deletion, or 0 if that is gone
        too."""
        of = {account: named(account) for account in accounts}
        keys = [{"id": record} for record in dict.fromkeys(each.record for each in of.values())]
        records = {item["id"]: item for item in read_all(self._database, self._keys_table, keys, consistent=True)}
        # A record that can't be fully read counts as not deleted: it must not keep the hours of all others open.
        return {
            account: records[each.record]["version"] if each.record in records else 0
            for account, each in of.items()
            if each.record not in records
            or (
                each.scope in _KEPT_AS_REVOKED
                and records[each.record].get("state") == REVOKED
                and type(records[each.record].get("version")) is int
            )
        }

    def remove(self, item: Mapping[str, Any]) -> bool:
        """Remove an item whose record is deleted, if the item is still as it was read; False if it has changed. It must
        have no hour to reconcile. No hour is added later, since a revoked item admits nothing and a release needs its
        hour."""
        request = {
            "TableName": self._table,
            "Key": to_item({"id": item["id"]}),
            "ConditionExpression": "st = :revoked AND kv = :version",
            "ExpressionAttributeValues": to_item({":revoked": "R", ":version": item.get("kv")}),
        }
        return self._applied(request, "DeleteItem")

    def reconcile(self, item: Mapping[str, Any], booking: Booking, spent: int, stale: Sequence[str] = ()) -> bool:
        """Make a closed hour's sums agree with its rows, and remove the hour. `spent`: the sum of its rows.

        Does nothing and returns False if a release came in between.
        """
        held, booked, calls = (item.get(name, 0) for name in (booking.held, booking.booked, booking.calls))
        names = {**_booked(booking), **{f"#x{number}": name for number, name in enumerate(stale)}}
        values = {
            ":u": spent - held - booked,
            ":p": spent - booked,
            ":i": calls,
            ":o": held,
            ":n": calls,
            ":zero": 0,
        }
        conditions = ["#o = :o", "#n = :n", "#s = :s" if booking.booked in item else "attribute_not_exists(#s)"]
        if booking.booked in item:
            values[":s"] = booked
        gone = ", ".join(["#o", "#s", "#n", *(f"#x{number}" for number in range(len(stale)))])
        request = {
            "TableName": self._table,
            "Key": to_item({"id": item["id"]}),
            "UpdateExpression": (
                f"SET #u = #u + :u, #p = if_not_exists(#p, :zero) + :p, inflight = inflight - :i REMOVE {gone}"
            ),
            "ConditionExpression": " AND ".join(conditions),
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": to_item(values),
        }
        return self._applied(request)

    def forget(self, account: str, bookings: Sequence[Booking], stale: Sequence[str]) -> bool:
        """Remove hours that agree with their rows, and stale counters, from an item. Does nothing and returns False if
        one of the hours holds something."""
        parts = [each for booking in bookings for each in (booking.held, booking.calls)]
        gone = [*parts, *(booking.booked for booking in bookings), *stale]
        names = {f"#{number}": name for number, name in enumerate(gone)}
        request = {
            "TableName": self._table,
            "Key": to_item({"id": account}),
            "UpdateExpression": "REMOVE " + ", ".join(names),
            "ConditionExpression": " AND ".join(f"#{number} = :zero" for number in range(len(parts))),
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": to_item({":zero": 0}),
        }
        return self._applied(request)

    def _applied(self, request: Mapping[str, Any], operation: str = "UpdateItem") -> bool:
        """Whether a write was made; False if its condition refused it."""
        try:
            self._database.call(operation, request)
        except ConditionFailed:
            return False
        return True


def _booked(booking: Booking) -> dict[str, str]:
    """The names of an hour's attributes, by their placeholders."""
    return {
        "#u": booking.used,
        "#p": booking.spent,
        "#o": booking.held,
        "#s": booking.booked,
        "#n": booking.calls,
    }


@lru_cache(maxsize=64)
def _released(hour: str, window: str, counters: tuple[str, ...]) -> tuple[Mapping[str, str], str]:
    """The names and the update expression of a release, which are the same for all calls of an hour. `counters` are the
    counters of tokens that it corrects."""
    names, tokens = _booked(booking_of(hour, window)), ""
    for number, name in enumerate(counters):
        # If the window's counter is gone, it becomes the call's own tokens: it never falls below 0.
        tokens += f", #t{number} = if_not_exists(#t{number}, :held) + :tokens"
        names[f"#t{number}"] = name
    return names, (
        "SET #u = #u + :more, #p = if_not_exists(#p, :zero) + :actual, #s = if_not_exists(#s, :zero) + :actual,"
        f" #o = #o - :est, #n = #n - :one, inflight = inflight - :one{tokens}"
    )
