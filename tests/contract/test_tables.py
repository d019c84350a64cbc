"""Sets of tables that are used again are empty for each test."""

from typing import Any

from tests.contract.tables import Pool
from tools.local.emulator import ROOT
from tools.manifest import load

# More than one page of a Scan (1 MB) and more than one BatchWriteItem (25).
ITEMS, BYTES = 60, 20_000


def test_tables_are_empty_whenever_they_are_taken(pool: Pool) -> None:
    described = load(ROOT).tables
    own = Pool(pool.endpoint, sets=2)
    first = own.take()
    for name, table in described.items():
        large = name == "state"
        for number in range(ITEMS if large else 2):
            item: dict[str, Any] = {part: _key(kind, number) for part, kind in table.key.items()}
            item |= {"text": {"S": "x" * BYTES if large else "x"}}
            first.database.call("PutItem", {"TableName": first[name], "Item": item})
    found = {name: first.database.call("Scan", {"TableName": first[name]}) for name in described}
    assert "LastEvaluatedKey" in found["state"]
    assert all(reply["Items"] for reply in found.values())
    other, again = own.take(), own.take()
    assert (other.prefix == first.prefix, again.prefix == first.prefix) == (False, True)
    for name in described:
        request = {"TableName": again[name], "ConsistentRead": True}
        assert again.database.call("Scan", request)["Items"] == []


def _key(kind: str, number: int) -> dict[str, str]:
    return {kind: f"k{number}" if kind == "S" else str(number)}
