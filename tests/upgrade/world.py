"""The parts that versions share: tables on moto, a fake upstream and a clock. Items are read and written unchanged."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.dynamodb.client import Database
from tests.contract.front import Place, variables
from tests.fakes.moto_tables import MotoTables
from tests.upgrade.version import Clock, Version
from tests.upstream import FakeUpstream
from tools.local import seed
from tools.local.deploy import table_request
from tools.local.emulator import ACCOUNT, REGION, ROOT
from tools.manifest import Names, load

# 20 minutes before one o'clock on a Friday: the hour in which a life begins is over when it ends, but no day, week or
# month is.
BEGIN = 1_795_783_200.0
Items = dict[str, list[dict[str, Any]]]
"""By table, as DynamoDB writes them."""


@dataclass
class World:
    """`prefix` is the prefix of the tables. Versions are added to the world, and end with it."""

    endpoint: str
    fake: FakeUpstream
    names: Names
    database: Database
    clock: Clock
    stack: ExitStack
    environment: dict[str, str] = field(default_factory=dict)

    def version(self, root: Path, environment: Mapping[str, str] | None = None) -> Version:
        """A process of a version of the code, which exists as long as this world. `environment`: its variables, if they
        differ from today's."""
        return self.stack.enter_context(self.passing(root, environment))

    def passing(self, root: Path, environment: Mapping[str, str] | None = None) -> Version:
        """As `version`, as a context manager."""
        said = self.filled(environment) if environment else self.environment
        mine = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
        return Version(root, mine | said, self.clock)

    def portable(self) -> dict[str, str]:
        """Today's environment without the values that belong only to this run."""
        said = {}
        for name, value in self.environment.items():
            for text, place in ((self.endpoint, "{dynamodb}"), (self.fake.url, "{upstream}")):
                value = value.replace(text, place)
            said[name] = value
        return said

    def filled(self, environment: Mapping[str, str]) -> dict[str, str]:
        places = {"{dynamodb}": self.endpoint, "{upstream}": self.fake.url}
        said = {}
        for name, value in environment.items():
            for place, text in places.items():
                value = value.replace(place, text)
            said[name] = value
        return said

    def scan(self, table: str) -> list[dict[str, Any]]:
        """Every item of a table, in an order that depends only on its keys."""
        found: list[dict[str, Any]] = []
        request: dict[str, Any] = {"TableName": self.names.table(table)}
        while True:
            reply = self.database.call("Scan", request)
            found += reply["Items"]
            if "LastEvaluatedKey" not in reply:
                break
            request["ExclusiveStartKey"] = reply["LastEvaluatedKey"]
        key = tuple(load(ROOT).tables[table].key)
        return sorted(found, key=lambda item: [str(item[name]) for name in key])

    def items(self) -> Items:
        return {table: self.scan(table) for table in load(ROOT).tables}

    def put(self, items: Mapping[str, list[dict[str, Any]]]) -> None:
        for table, stored in items.items():
            for item in stored:
                self.database.call("PutItem", {"TableName": self.names.table(table), "Item": item})

    def until(self, happened: Any, what: str) -> None:
        deadline = time.monotonic() + 60
        while not happened():
            if time.monotonic() > deadline:
                raise AssertionError(f"it did not happen in a minute: {what}")
            time.sleep(0.01)


@contextmanager
def world(endpoint: str, name: str, now: float = BEGIN) -> Iterator[World]:
    """Empty tables with this prefix, and everything else that a version needs."""
    with FakeUpstream() as fake, ExitStack() as stack:
        names = Names(name, region=REGION, account=ACCOUNT, base="upgrade")
        database = seed.database(endpoint, REGION, ACCOUNT)
        for table, described in load(ROOT).tables.items():
            request = table_request(names.table(table), described)
            request.pop("StreamSpecification", None)  # nothing reads it here, and moto would import half of its code
            database.call("CreateTable", request)
        made = World(endpoint, fake, names, database, Clock(now), stack)
        made.environment = variables(Place(), names.prefix, endpoint, fake)
        yield made


@contextmanager
def moto() -> Iterator[str]:
    with MotoTables() as endpoint:
        yield endpoint
