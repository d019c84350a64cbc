"""The records of a key's calls: its rows in `request-analytics`, and its line in the bill."""

from __future__ import annotations

from typing import Any

from gateway.dynamodb.attributes import from_item
from tests.integration.conftest import Live
from tests.integration.waiting import eventually


def rows(gateway: Live, key_id: str) -> list[dict[str, Any]]:
    """A key's rows when none of them is open any more, oldest first."""
    return eventually(lambda: _ended(gateway, key_id))


def _ended(gateway: Live, key_id: str) -> list[dict[str, Any]] | None:
    scan = gateway.deployer.client("dynamodb").get_paginator("scan")
    pages = scan.paginate(TableName=gateway.deployment.tables["request-analytics"])
    found = [row for page in pages for row in map(from_item, page["Items"]) if row["key"] == key_id]
    if not found or any(row["state"] == "OPEN" for row in found):
        return None
    return sorted(found, key=lambda row: int(row["created"]))


def billed(gateway: Live, key_id: str, requests: int) -> dict[str, Any]:
    """A key's line in the bill, after it counts this many requests."""

    def line() -> dict[str, Any] | None:
        found = gateway.admin("GET", f"/usage?group_by=key&key={key_id}").body["data"]
        return found[0] if found and found[0]["requests"] >= requests else None

    found = eventually(line)
    assert found["requests"] == requests
    return found
