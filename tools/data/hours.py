"""A restored table of limits: the hours since the restore point are put into its items, empty, for the reconcile.

An item of that time does not know the amounts spent since then, so its budgets would be spent a second time. The rows
know them. The hourly reconcile makes each hour of an item equal to its rows; so each account gets the hours
of its rows since then, with nothing held and nothing booked, and the next reconcile books them whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from gateway.dynamodb.attributes import from_item, to_item
from gateway.dynamodb.client import Database
from gateway.identity.account_ids import named
from gateway.ledger.admission import Booking
from gateway.ledger.rows_store import accounts_of
from tools.data.moves import scanned


def put(database: Database, limits: str, rows: str, records: str, since: datetime) -> int:
    """Put the hours of every account with rows since the hour of `since` into its item; how many hours. No call may be
    under way or be admitted meanwhile, and none may have been admitted on this table since it was restored."""
    first = since.astimezone(UTC).strftime("%Y-%m-%dT%H")
    found: set[tuple[str, str, str]] = set()
    for row in map(from_item, scanned(database, rows)):
        if "hour" in row and row["hour"] >= first:
            found |= {(account, row["hour"], window) for account, window in accounts_of(row)}
    versions = {item["id"]: item.get("version", 1) for item in map(from_item, scanned(database, records))}
    for account, hour, window in sorted(found):
        _put(database, limits, account, versions, Booking(hour, window))
    return len(found)


def _put(database: Database, limits: str, account: str, versions: Mapping[str, Any], booking: Booking) -> None:
    """Existing values stay: calls from before the restore point. One call more is counted as under way, in the
    hour and in all, since an hour without any waits for others of its kind; the reconcile takes both back."""
    request = {
        "TableName": limits,
        "Key": to_item({"id": account}),
        "UpdateExpression": "SET #u = if_not_exists(#u, :zero), #o = if_not_exists(#o, :zero),"
        " #n = if_not_exists(#n, :zero) + :one, inflight = if_not_exists(inflight, :zero) + :one,"
        " st = if_not_exists(st, :active), kv = if_not_exists(kv, :version)",
        "ExpressionAttributeNames": {"#u": booking.used, "#o": booking.held, "#n": booking.calls},
        "ExpressionAttributeValues": to_item(
            {":zero": 0, ":one": 1, ":active": "A", ":version": versions.get(named(account).record, 0)}
        ),
    }
    database.call("UpdateItem", request)
