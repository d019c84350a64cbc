"""Circuit breakers in the table `state`, an item a provider; every change is one conditional write."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from gateway.breakers.breaker import PROBE_LEASE_MS, Breaker, BreakerRules
from gateway.dynamodb.attributes import from_item, to_item
from gateway.errors import ConditionFailed

if TYPE_CHECKING:  # what is alive must not load TLS to say so
    from gateway.dynamodb.client import Database

PARTITION = "health"
_PREFIX = "breaker#"
_NAMES = {"#open": "open", "#w": "window", "#until": "until"}


class BreakerStore:
    def __init__(self, database: Database, table: str) -> None:
        self._database = database
        self._table = table

    def get(self, provider: str) -> Breaker:
        """What is stored, or a closed breaker. An eventually consistent read: a hint that may be a second old."""
        reply = self._database.call("GetItem", {"TableName": self._table, "Key": _key(provider)}, attempts=2)
        return breaker_of(provider, from_item(reply["Item"])) if "Item" in reply else Breaker(provider)

    def report(
        self, provider: str, failures: int, successes: int, now: int, rules: BreakerRules, slow: str = ""
    ) -> Breaker:
        """Add to the current window's counts, beginning it if need be; `slow` is the key of a call that ran into our
        own deadline. A breaker that is open stays as it is."""
        window = rules.window(now)
        values: dict[str, Any] = {":w": window, ":f": failures, ":s": successes, ":no": False}
        if slow:
            values[":k"] = {slow}
        try:
            return self._update(
                provider,
                f"ADD failures :f, successes :s{', slow :k' if slow else ''}",
                "#open = :no AND #w = :w",
                values,
            )
        except ConditionFailed as refused:
            if refused.item is not None and (refused.item.get("open") or refused.item["window"] > window):
                return breaker_of(provider, refused.item)
        try:
            return self._update(
                provider,
                "SET #open = :no, #w = :w, failures = :f, successes = :s" + (", slow = :k" if slow else " REMOVE slow"),
                "attribute_not_exists(pk) OR (#open = :no AND #w < :w)",
                values,
            )
        except ConditionFailed as refused:  # another container began the window first; its count stands, ours is a hint
            return breaker_of(provider, refused.item or {})

    def trip(self, breaker: Breaker, now: int, rules: BreakerRules) -> bool:
        """Open a closed breaker, or extend an open one whose probe failed. False where another did it first."""
        try:
            self._update(
                breaker.provider,
                "SET #open = :yes, opened = :now, #until = :until, trips = :trips, probes = :zero, lease = :zero",
                "#open = :was AND (attribute_not_exists(opened) OR opened = :opened)",
                {
                    ":yes": True,
                    ":was": breaker.open,
                    ":opened": breaker.opened,
                    ":now": now,
                    ":until": now + rules.open_for(breaker.trips),
                    ":trips": breaker.trips + 1,
                    ":zero": 0,
                },
            )
        except ConditionFailed:
            return False
        return True

    def lease_probe(self, provider: str, now: int, rules: BreakerRules) -> Breaker | None:
        """Take one of the few probes of an open breaker whose time is over; None where none is left."""
        values = {":yes": True, ":no": False, ":now": now, ":end": now + PROBE_LEASE_MS, ":one": 1}
        due = "#open = :yes AND #until <= :now AND (attribute_not_exists(forced) OR forced = :no)"
        try:
            return self._update(
                provider,
                "SET probes = probes + :one, lease = :end",
                f"{due} AND probes < :most AND (lease > :now OR probes = :zero)",
                values | {":most": rules.half_open_calls, ":zero": 0},
            )
        except ConditionFailed:
            pass
        try:  # leases that ran out: whoever held them is gone, the count begins anew
            return self._update(provider, "SET probes = :one, lease = :end", f"{due} AND lease <= :now", values)
        except ConditionFailed:
            return None

    def return_probe(self, provider: str, now: int) -> None:
        """Give a probe back whose call said nothing, where its lease still runs."""
        with suppress(ConditionFailed):
            self._update(
                provider,
                "SET probes = probes - :one",
                "#open = :yes AND probes > :zero AND lease > :now",
                {":yes": True, ":one": 1, ":zero": 0, ":now": now},
            )

    def close(self, provider: str, now: int) -> None:
        """Close it, whatever it was: a probe succeeded or an operator said so."""
        self._update(
            provider,
            "SET #open = :no, forced = :no, #w = :zero, failures = :zero, successes = :zero, trips = :zero,"
            " probes = :zero, lease = :zero, opened = :now REMOVE slow",
            None,
            {":no": False, ":zero": 0, ":now": now},
        )

    def force_open(self, provider: str, now: int) -> None:
        """Open it until an operator resets it."""
        self._update(
            provider,
            "SET #open = :yes, forced = :yes, opened = :now, #until = :now",
            None,
            {":yes": True, ":now": now},
        )

    def _update(
        self,
        provider: str,
        update: str,
        condition: str | None,
        values: Mapping[str, Any],
    ) -> Breaker:
        text = f"{update} {condition or ''}"
        request = {
            "TableName": self._table,
            "Key": _key(provider),
            "UpdateExpression": update,
            "ExpressionAttributeNames": {name: real for name, real in _NAMES.items() if f"{name} " in text},
            "ExpressionAttributeValues": to_item(values),
            "ReturnValues": "ALL_NEW",
        }
        if condition:
            request |= {"ConditionExpression": condition, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
        reply = self._database.call("UpdateItem", request)
        return breaker_of(provider, from_item(reply["Attributes"]))


def breaker_of(provider: str, item: Mapping[str, Any]) -> Breaker:
    """The domain's view of a stored item; what an item lacks has its default."""
    known = ("open", "forced", "window", "failures", "successes", "opened", "until", "trips", "probes", "lease")
    slow = frozenset(map(str, item.get("slow", ())))
    return Breaker(provider, **{name: item[name] for name in known if name in item}, slow=slow)


def breaker_item(item: Mapping[str, Any]) -> Breaker | None:
    """The breaker of an item of the partition, None for another kind of item."""
    kind, _, provider = str(item["sk"]).partition("#")
    return breaker_of(provider, item) if f"{kind}#" == _PREFIX else None


def _key(provider: str) -> dict[str, Any]:
    return to_item({"pk": PARTITION, "sk": f"{_PREFIX}{provider}"})
