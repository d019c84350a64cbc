"""Items between a table and files: page by page, so that a table of any size fits in little memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from gateway.dynamodb.client import Database
from gateway.errors import StoreUnavailable
from tools.data.files import Export, Item, sum_of

Progress = Callable[[str], None]
_A_WRITE = 25  # DynamoDB's limit of BatchWriteItem
_TRIES = 8
_PAGES = 16  # of a scan, a MB each, make a part


class NotEmpty(Exception):
    """A table that has items takes none of an export: they would be mixed."""


def exported(database: Database, table: str, export: Export, progress: Progress, pages: int = _PAGES) -> int:
    """Write every item of a table into an export, from where it ended before; how many items it has. A table that
    changes meanwhile is exported as each page was when it was read: not as it was at one moment."""
    parts = export.parts()
    done = sum(part.items for part in parts)
    start = parts[-1].following if parts else None
    if parts and start is None:
        return done
    while True:
        items: list[Item] = []
        for _ in range(pages):
            request: dict[str, Any] = {"TableName": table, "ConsistentRead": True}
            reply = database.call("Scan", request | ({"ExclusiveStartKey": start} if start else {}), attempts=_TRIES)
            items += reply["Items"]
            start = reply.get("LastEvaluatedKey")
            if start is None:
                break
        part = export.add(items, start)
        done += part.items
        progress(f"{part.file}: {part.items} items, {done} in all")
        if start is None:
            return done


def imported(database: Database, table: str, export: Export, progress: Progress, *, again: bool = False) -> int:
    """Write an export's items into a table; how many. With `again` an import that was cut off starts over: it puts the
    same items. Raises NotEmpty, Damaged."""
    parts = export.whole()
    if not again and database.call("Scan", {"TableName": table, "Limit": 1, "ConsistentRead": True})["Items"]:
        raise NotEmpty(f"{table} has items already. Import into an empty table, or go on with an import by --again.")
    done = 0
    for part in parts:
        waiting: list[Item] = []
        for item in export.items(part):
            waiting.append(item)
            if len(waiting) == _A_WRITE:
                _put(database, table, waiting)
                waiting = []
        _put(database, table, waiting)
        done += part.items
        progress(f"{part.file}: {part.items} items, {done} in all")
    return done


def compared(database: Database, table: str, export: Export) -> tuple[int, int, bool]:
    """How many items an export and a table have, and whether they are the same ones. Raises Damaged."""
    parts = export.whole()
    for part in parts:
        if hex(sum_of(export.items(part))) != part.sum:
            raise AssertionError(f"{part.file}: the sum of its items is not the one of its line")
    expected = sum(int(part.sum, 16) for part in parts) % 2**256
    count = 0

    def stored() -> Iterator[Item]:
        nonlocal count
        for item in scanned(database, table):
            count += 1
            yield item

    same = sum_of(stored()) == expected
    return sum(part.items for part in parts), count, same


def scanned(database: Database, table: str) -> Iterator[Item]:
    """Every item of a table, as DynamoDB writes them."""
    start: Item | None = None
    while True:
        request: dict[str, Any] = {"TableName": table, "ConsistentRead": True}
        reply = database.call("Scan", request | ({"ExclusiveStartKey": start} if start else {}), attempts=_TRIES)
        yield from reply["Items"]
        start = reply.get("LastEvaluatedKey")
        if start is None:
            return


def _put(database: Database, table: str, items: list[Item]) -> None:
    """Write items, and what DynamoDB had no time for again."""
    wanted: Any = {table: [{"PutRequest": {"Item": item}} for item in items]} if items else {}
    for _ in range(100):
        if not wanted:
            return
        wanted = database.call("BatchWriteItem", {"RequestItems": wanted}, attempts=_TRIES).get("UnprocessedItems")
    raise StoreUnavailable(f"{table} takes no more items; go on later with --again.")
