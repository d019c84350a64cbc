"""Circuit breakers in the table `state`, one item per key; every change is one conditional write.

Only keys that are or were failing have an item, and an item expires a day after its last write. So there are only as
many items as keys that failed within a day. A breaker that an operator opened does not expire.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from gateway.breakers.breaker import PROBE_LEASE_MS, Breaker, BreakerKey, BreakerRules
from gateway.breakers.items import PARTITION, PREFIX, breaker_item, breaker_of, key_of
from gateway.dynamodb.attributes import from_item, to_item
from gateway.dynamodb.client import Database, pages, read_all
from gateway.errors import ConditionFailed

_KEPT_MS = 86_400_000
_NAMES = {"#open": "open", "#w": "window", "#until": "until", "#ttl": "ttl"}


class BreakerStore:
    def __init__(self, database: Database, table: str) -> None:
        self._database = database
        self._table = table

    def read(self, keys: Sequence[BreakerKey]) -> dict[BreakerKey, Breaker]:
        """The stored breakers of these keys, by one eventually consistent read: a hint that may be a second old. A key
        without an item is left out: its breaker is closed."""
        wanted = [key_of(key) for key in dict.fromkeys(keys)]
        found = map(breaker_item, read_all(self._database, self._table, wanted, consistent=False))
        return {breaker.key: breaker for breaker in found if breaker is not None}

    def all(self, vendor: str = "") -> Iterator[Breaker]:
        """Every breaker that has an item, of all vendors or of one."""
        request = {
            "TableName": self._table,
            "KeyConditionExpression": "pk = :pk AND begins_with(sk, :prefix)",
            "ExpressionAttributeValues": to_item({":pk": PARTITION, ":prefix": f"{PREFIX}{vendor}"}),
        }
        for breaker in map(breaker_item, pages(self._database, request)):
            if breaker is not None and vendor in ("", breaker.key.vendor):
                yield breaker

    def report(
        self, key: BreakerKey, failures: int, successes: int, now: int, rules: BreakerRules, slow: str = ""
    ) -> Breaker:
        """Add to the counts of the current window, and start the window if needed. `slow` is the API key of a call that
        ran into our own deadline. An open breaker is left as it is."""
        window = rules.window(now)
        values: dict[str, Any] = {":w": window, ":f": failures, ":s": successes, ":no": False, **_kept(now)}
        if slow:
            values[":k"] = {slow}
        try:
            return self._update(
                key,
                f"SET #ttl = :ttl ADD failures :f, successes :s{', slow :k' if slow else ''}",
                "#open = :no AND #w = :w",
                values,
            )
        except ConditionFailed as refused:
            if refused.item is not None and (refused.item.get("open") or refused.item["window"] > window):
                return breaker_of(key, refused.item)
        try:
            return self._update(
                key,
                "SET #open = :no, #w = :w, failures = :f, successes = :s, #ttl = :ttl"
                + (", slow = :k" if slow else " REMOVE slow"),
                "attribute_not_exists(pk) OR (#open = :no AND #w < :w)",
                values,
            )
        except ConditionFailed as refused:  # another container began the window first; its count stays, ours is a hint
            return breaker_of(key, refused.item or {})

    def trip(self, breaker: Breaker, now: int, rules: BreakerRules) -> bool:
        """Open a closed breaker, or extend an open one whose probe failed. False if another container did it first."""
        try:
            self._update(
                breaker.key,
                "SET #open = :yes, opened = :now, #until = :until, trips = :trips, probes = :zero, lease = :zero,"
                " #ttl = :ttl",
                "#open = :was AND (attribute_not_exists(opened) OR opened = :opened)",
                {
                    ":yes": True,
                    ":was": breaker.open,
                    ":opened": breaker.opened,
                    ":now": now,
                    ":until": now + rules.open_for(breaker.trips),
                    ":trips": breaker.trips + 1,
                    ":zero": 0,
                    **_kept(now),
                },
            )
        except ConditionFailed:
            return False
        return True

    def lease_probe(self, key: BreakerKey, now: int, rules: BreakerRules) -> Breaker | None:
        """Lease one of the few probes of an open breaker whose time is over; None if none is left."""
        values = {":yes": True, ":no": False, ":now": now, ":end": now + PROBE_LEASE_MS, ":one": 1}
        due = "#open = :yes AND #until <= :now AND (attribute_not_exists(forced) OR forced = :no)"
        try:
            return self._update(
                key,
                "SET probes = probes + :one, lease = :end",
                f"{due} AND probes < :most AND (lease > :now OR probes = :zero)",
                values | {":most": rules.half_open_calls, ":zero": 0},
            )
        except ConditionFailed:
            pass
        try:  # the leases expired and their holders are gone: the count starts again
            return self._update(key, "SET probes = :one, lease = :end", f"{due} AND lease <= :now", values)
        except ConditionFailed:
            return None

    def return_probe(self, key: BreakerKey, now: int) -> None:
        """Give back a probe whose call said nothing, if its lease still runs."""
        with suppress(ConditionFailed):
            self._update(
                key,
                "SET probes = probes - :one",
                "#open = :yes AND probes > :zero AND lease > :now",
                {":yes": True, ":one": 1, ":zero": 0, ":now": now},
            )

    def close(self, key: BreakerKey, now: int) -> None:
        """Close the breaker, whatever its state: a probe succeeded or an operator asked for it."""
        self._update(
            key,
            "SET #open = :no, forced = :no, #w = :zero, failures = :zero, successes = :zero, trips = :zero,"
            " probes = :zero, lease = :zero, opened = :now, #ttl = :ttl REMOVE slow",
            None,
            {":no": False, ":zero": 0, ":now": now, **_kept(now)},
        )

    def force_open(self, key: BreakerKey, now: int) -> None:
        """Open the breaker until an operator resets it."""
        self._update(
            key,
            "SET #open = :yes, forced = :yes, opened = :now, #until = :now REMOVE #ttl",
            None,
            {":yes": True, ":now": now},
        )

    def _update(self, key: BreakerKey, update: str, condition: str | None, values: Mapping[str, Any]) -> Breaker:
        text = f"{update} {condition or ''} "
        request = {
            "TableName": self._table,
            "Key": to_item(key_of(key)),
            "UpdateExpression": update,
            "ExpressionAttributeNames": {name: real for name, real in _NAMES.items() if f"{name} " in text},
            "ExpressionAttributeValues": to_item(values),
            "ReturnValues": "ALL_NEW",
        }
        if condition:
            request |= {"ConditionExpression": condition, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
        reply = self._database.call("UpdateItem", request)
        return breaker_of(key, from_item(reply["Attributes"]))


def _kept(now: int) -> dict[str, int]:
    return {":ttl": (now + _KEPT_MS) // 1_000}
