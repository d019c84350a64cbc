"""Tables of the product for one test. DynamoDB Local needs 30 ms to make six, and ten times as long if it has a
thousand. So sets of tables are used again, and each set is emptied first."""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.aws.http import AwsHttp
from gateway.aws.sigv4 import Credentials
from gateway.dynamodb.client import Database, DynamoDB
from tools.local.deploy import table_request
from tools.local.emulator import ROOT
from tools.manifest import load

# Enough sets, so that everything that a test left running has ended long before its tables are emptied.
SETS = 8
_A_WRITE = 25  # DynamoDB's limit for BatchWriteItem


@dataclass(slots=True)
class Tables:
    """A database with its own tables, by symbolic name, and the client that it uses."""

    database: Database
    prefix: str
    http: AwsHttp

    def __getitem__(self, name: str) -> str:
        return f"{self.prefix}-{name}"


class Pool:
    """Sets of tables at one endpoint, which are given out in turn."""

    def __init__(self, endpoint: str, sets: int = SETS) -> None:
        self.endpoint, self._sets = endpoint, sets
        self._prefixes: deque[str] = deque()
        self._described = load(ROOT).tables

    def take(self) -> Tables:
        """All tables, empty. No other test gets them until all other sets of the pool have been given out."""
        if len(self._prefixes) < self._sets:
            taken = self._tables(f"t-{secrets.token_hex(4)}")
            for name, table in self._described.items():
                taken.database.call("CreateTable", table_request(taken[name], table))
        else:
            taken = self._tables(self._prefixes.popleft())
            for name, table in self._described.items():
                _empty(taken.database, taken[name], tuple(table.key))
        self._prefixes.append(taken.prefix)
        return taken

    def _tables(self, prefix: str) -> Tables:
        credentials = Credentials("x", "y")
        http = AwsHttp("dynamodb", "us-east-1", self.endpoint, lambda: credentials)
        return Tables(DynamoDB(http, timeout=30), prefix, http)


def _empty(database: Database, table: str, key: tuple[str, ...]) -> None:
    names = {f"#{number}": name for number, name in enumerate(key)}
    request: dict[str, Any] = {"TableName": table, "ConsistentRead": True}
    request |= {"ProjectionExpression": ",".join(names), "ExpressionAttributeNames": names}
    while True:  # deleted items are behind the cursor, so each page is a first page
        found = database.call("Scan", request)
        items = found["Items"]
        for start in range(0, len(items), _A_WRITE):
            _delete(database, table, items[start : start + _A_WRITE])
        if "LastEvaluatedKey" not in found:
            return


def _delete(database: Database, table: str, keys: list[Mapping[str, Any]]) -> None:
    wanted: Any = {table: [{"DeleteRequest": {"Key": key}} for key in keys]}
    while wanted:
        wanted = database.call("BatchWriteItem", {"RequestItems": wanted}).get("UnprocessedItems")
