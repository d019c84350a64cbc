"""DynamoDB Local with the product's tables, on which every expression is tested, because emulators accept expressions
that AWS rejects."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import pytest

from gateway.aws.http import AwsHttp, HttpReply
from gateway.dynamodb.client import Database
from gateway.errors import ConditionFailed, StoreUnavailable
from gateway.transport import TimedOut
from tests.contract.front import Front, Gateway, Place, variables
from tests.contract.on_moto import on_moto
from tests.contract.streaming_server import Server
from tests.contract.tables import Pool
from tests.contract.tables import Tables as Tables
from tests.upstream import FakeUpstream
from tools import dynamodb_local
from tools.local import seed
from tools.local.emulator import ROOT
from tools.manifest import Names, load


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "pool" in metafunc.fixturenames and on_moto(metafunc.module.__name__, metafunc.function.__name__):
        backends = [pytest.param("moto", marks=pytest.mark.moto), "dynamodb-local"]
        metafunc.parametrize("pool", backends, indirect=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "contract" in item.path.parts and not item.get_closest_marker("moto"):
            item.add_marker(pytest.mark.dynamodb_local)


@pytest.fixture(scope="session")
def local_pool() -> Iterator[Pool]:
    with dynamodb_local.running() as endpoint:
        yield Pool(endpoint)


@pytest.fixture(scope="session")
def moto_pool() -> Iterator[Pool]:
    from tests.fakes.moto_tables import MotoTables  # imports half of moto, which takes 2 s

    with MotoTables() as endpoint:
        yield Pool(endpoint)


@pytest.fixture
def pool(request: pytest.FixtureRequest) -> Pool:
    """The tables of the backend on which this test runs: DynamoDB Local, unless the test says otherwise."""
    found: Pool = request.getfixturevalue("moto_pool" if getattr(request, "param", "") == "moto" else "local_pool")
    return found


@pytest.fixture
def dynamodb_endpoint(pool: Pool) -> str:
    return pool.endpoint


@pytest.fixture
def tables(pool: Pool) -> Tables:
    """All tables, empty, only for this test."""
    return pool.take()


@pytest.fixture
def place(request: pytest.FixtureRequest) -> Place:
    return getattr(request, "param", Place())


@pytest.fixture
def gateway(place: Place, tables: Tables, dynamodb_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    """The whole gateway in this process. A test may ask for another `place`."""
    with FakeUpstream() as fake:
        for name, value in variables(place, tables.prefix, dynamodb_endpoint, fake).items():
            monkeypatch.setenv(name, value)
        Gateway.restart()
        base, _, environment = tables.prefix.partition("-")
        keys = seed.seed_keys(tables.database, Names(environment, base=base))
        yield Gateway(Front(load(ROOT)), tables, fake, keys)
    Gateway.restart()


class LossyDatabase:
    """Applies every call and loses the replies of some: `lose(operation, number)` says of which."""

    def __init__(self, database: Database, lose: Any) -> None:
        self._database, self._lose, self._number = database, lose, 0

    def call(self, operation: str, request: Mapping[str, Any], *, attempts: int = 1) -> dict[str, Any]:
        reply = self._database.call(operation, request, attempts=attempts)
        self._number += 1
        if self._lose(operation, self._number):
            raise StoreUnavailable("the reply was lost")
        return reply


class CountingDatabase:
    """Keeps the name of every operation, and of the tables on which it ran."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.calls: list[str] = []
        self.on: list[tuple[str, str]] = []

    def call(self, operation: str, request: Mapping[str, Any], *, attempts: int = 1) -> dict[str, Any]:
        self.calls.append(operation)
        self.on += [
            (operation, table) for table in (request.get("TableName"), *request.get("RequestItems", ())) if table
        ]
        return self._database.call(operation, request, attempts=attempts)


class DroppingDatabase:
    """Some calls never arrive: `drop(operation, number)` says which."""

    def __init__(self, database: Database, drop: Any) -> None:
        self._database, self._drop, self._number = database, drop, 0

    def call(self, operation: str, request: Mapping[str, Any], *, attempts: int = 1) -> dict[str, Any]:
        self._number += 1
        if self._drop(operation, self._number):
            raise StoreUnavailable("not reached")
        return self._database.call(operation, request, attempts=attempts)


class LateDatabase:
    """The first PutItem times out. It is applied when the test calls `arrive`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._late: Mapping[str, Any] | None = None

    def call(self, operation: str, request: Mapping[str, Any], *, attempts: int = 1) -> dict[str, Any]:
        if operation == "PutItem" and self._late is None:
            self._late = request
            raise StoreUnavailable("no answer in time")
        return self._database.call(operation, request, attempts=attempts)

    def arrive(self) -> None:
        assert self._late is not None
        with suppress(ConditionFailed):
            self._database.call("PutItem", self._late)


class LossyHttp:
    """Sends requests and loses the replies of some: `lose(body)` says of which. So if the client repeats a request, the
    server receives it twice."""

    def __init__(self, http: AwsHttp, lose: Callable[[bytes], bool]) -> None:
        self._http, self._lose = http, lose

    def post(self, path: str, body: bytes, headers: Mapping[str, str], timeout: float) -> HttpReply:
        reply = self._http.post(path, body, headers, timeout)
        if self._lose(body):
            raise TimedOut("no answer in time", sent=True)
        return reply


class MeteredDatabase:
    """Adds up the write units that DynamoDB reports for each call."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.units = 0.0

    def call(self, operation: str, request: Mapping[str, Any], *, attempts: int = 1) -> dict[str, Any]:
        reply = self._database.call(operation, {**request, "ReturnConsumedCapacity": "TOTAL"}, attempts=attempts)
        used = reply.get("ConsumedCapacity", [])
        for each in used if isinstance(used, list) else [used]:
            if operation not in ("GetItem", "Query", "Scan"):
                self.units += each["CapacityUnits"]
        return reply


@pytest.fixture
def server(gateway: Gateway) -> Iterator[Callable[[], Server]]:
    """Starts servers of the streaming door, each in its own process. They end with the test."""
    started: list[Server] = []

    def start() -> Server:
        started.append(Server())
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.wait()
        each.close()
