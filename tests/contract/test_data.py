"""A table's items are exported and imported again; and the steps that a restored table needs before it is used."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.dynamodb.attributes import to_item
from gateway.errors import StoreUnavailable, Unauthorized
from gateway.identity.caller import SCOPES
from gateway.identity.store import KeyStore
from gateway.keys.keys import Keys
from tests.contract.conftest import DroppingDatabase, Tables
from tests.contract.world import World, paid
from tools.data import hours, keys, moves
from tools.data.files import Damaged, Export
from tools.local.deploy import table_request
from tools.local.emulator import ROOT
from tools.manifest import load

HOUR = 3_600_000_000


def quiet(_step: str) -> None:
    """Says nothing."""


def another(tables: Tables, table: str) -> str:
    """A second, empty table with the same keys."""
    name = f"{tables[table]}-restored"
    tables.database.call("CreateTable", table_request(name, load(ROOT).tables[table]))
    return name


def restored(tables: Tables, table: str, folder: Path) -> str:
    """The table's current content, under another name."""
    name = another(tables, table)
    moves.exported(tables.database, tables[table], Export(folder), quiet)
    moves.imported(tables.database, name, Export(folder), quiet)
    return name


def filled(tables: Tables, count: int) -> None:
    for number in range(count):
        item: Mapping[str, Any] = {
            "pk": f"p{number % 3}",
            "sk": f"{number:04d}",
            "ids": {f"a{number}", "b"},
            "n": number,
        }
        tables.database.call("PutItem", {"TableName": tables["usage"], "Item": to_item(dict(item))})


def test_what_was_exported_is_what_is_imported(tables: Tables, tmp_path: Path) -> None:
    filled(tables, 60)
    name = another(tables, "usage")
    assert moves.exported(tables.database, tables["usage"], Export(tmp_path), quiet) == 60
    assert moves.imported(tables.database, name, Export(tmp_path), quiet) == 60
    assert moves.compared(tables.database, name, Export(tmp_path)) == (60, 60, True)
    change = {"TableName": name, "Item": to_item({"pk": "p0", "sk": "0000", "n": 1})}
    tables.database.call("PutItem", change)
    assert moves.compared(tables.database, name, Export(tmp_path)) == (60, 60, False)


def test_an_export_that_was_cut_off_goes_on(tables: Tables, tmp_path: Path) -> None:
    filled(tables, 30)

    class Small:
        """Pages of seven items."""

        def __init__(self, database: Any) -> None:
            self.database = database

        def call(self, operation: str, request: Mapping[str, Any], *, attempts: int = 1) -> dict[str, Any]:
            reply: dict[str, Any] = self.database.call(operation, {**request, "Limit": 7}, attempts=attempts)
            return reply

    lost = DroppingDatabase(Small(tables.database), lambda _operation, number: number == 3)
    with pytest.raises(StoreUnavailable):
        moves.exported(lost, tables["usage"], Export(tmp_path), quiet, pages=1)
    name = another(tables, "usage")
    with pytest.raises(Damaged):
        moves.imported(tables.database, name, Export(tmp_path), quiet)
    assert moves.exported(Small(tables.database), tables["usage"], Export(tmp_path), quiet, pages=1) == 30
    assert moves.imported(tables.database, name, Export(tmp_path), quiet) == 30
    with pytest.raises(moves.NotEmpty):
        moves.imported(tables.database, name, Export(tmp_path), quiet)
    assert moves.imported(tables.database, name, Export(tmp_path), quiet, again=True) == 30
    assert moves.compared(tables.database, name, Export(tmp_path)) == (30, 30, True)
    (tmp_path / "part-00002.jsonl.gz").write_bytes(b"damaged")
    with pytest.raises(Damaged, match="part-00002"):
        moves.compared(tables.database, name, Export(tmp_path))


def test_no_key_that_was_ended_since_the_restore_point_lives_again(tables: Tables, tmp_path: Path) -> None:
    """Some keys were revoked, rotated, changed or deleted; the restored records do not show it."""
    names = ("fine", "revoked", "rotated", "changed", "deleted")
    worlds = {name: World(tables, key=name) for name in names}
    for world in worlds.values():
        ledger = world.ledger()
        ledger.settle(world.admit(ledger), paid(5))
    name = restored(tables, "api-keys", tmp_path)
    store, limits = worlds["fine"].keys, worlds["fine"].limits_store
    admin = Keys(store, limits, worlds["fine"].tiers.__getitem__)
    full = replace(worlds["fine"].caller, scopes=SCOPES, tier="enterprise", key_id="admin")
    for each in ("revoked", "deleted"):
        admin.revoke(each, full)
    admin.delete("deleted", full)
    admin.rotate("rotated", {}, full)
    admin.change("changed", {"max_budget": 1}, full)
    removed = {"TableName": tables["limits"], "Key": to_item({"id": "deleted"})}
    tables.database.call("DeleteItem", removed)  # as the reconcile does, after its last hour is closed
    found = keys.judged(tables.database, name, tables["limits"])
    assert (found.fine, sorted(each.id for each in found.doubts), found.lost) == (1, sorted(names[1:]), [])
    assert keys.ended(tables.database, name, tables["limits"], found.doubts) == 4
    again = keys.judged(tables.database, name, tables["limits"])
    assert (again.fine, again.doubts) == (5, [])
    adopted = KeyStore(tables.database, name)
    states = {each: record.state for each in names if (record := adopted.get(each))}
    assert states == {each: "active" if each == "fine" else "revoked" for each in names}
    for each in names[1:]:  # also with an answer that an authorizer has cached
        with pytest.raises(Unauthorized):
            worlds[each].admit(worlds[each].ledger(keys=adopted))


def test_budgets_of_a_restored_table_of_limits_know_what_was_spent_since(tables: Tables, tmp_path: Path) -> None:
    world = World(tables)
    ledger = world.ledger()
    ledger.settle(world.admit(ledger), paid(30))
    under_way = world.admit(ledger)
    since = datetime.fromtimestamp(world.now / 1e6, UTC)
    name = restored(tables, "limits", tmp_path)
    ledger.settle(under_way, paid(7))
    for _ in range(3):
        ledger.settle(world.admit(ledger), paid(11))
        world.now += HOUR
    made_since = World(tables, key="new", now=world.now)
    later = made_since.ledger()
    later.settle(made_since.admit(later), paid(13))
    back = {item["id"]["S"]: item for item in moves.scanned(tables.database, name)}
    for item in moves.scanned(tables.database, tables["limits"]):  # the restored table takes the place of the other one
        tables.database.call("DeleteItem", {"TableName": tables["limits"], "Key": {"id": item["id"]}})
    for item in back.values():
        tables.database.call("PutItem", {"TableName": tables["limits"], "Item": item})
    rows, records = tables["request-analytics"], tables["api-keys"]
    assert world.drift()
    assert hours.put(tables.database, tables["limits"], rows, records, since) == 4
    world.now += 2 * HOUR
    world.reconcile()
    assert world.drift() == made_since.drift() == {}
    assert world.item()["inflight"] == 0
