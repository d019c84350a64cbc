"""The sweeper's cursors, as a runbook names them."""

from gateway.dynamodb.attributes import to_item
from gateway.ledger.closing.sweep_store import SweepCursor
from gateway.ledger.rows_store import LENGTHS
from tests.fakes.database import ScriptedDatabase
from tools.local.emulator import ROOT


def test_the_runbook_names_every_cursor() -> None:
    text = (ROOT / "docs" / "runbooks" / "rows-stuck.md").read_text(encoding="utf-8")
    for length in LENGTHS:
        database = ScriptedDatabase({})
        SweepCursor(database, "state").write(1, length)
        key = database.calls[0][1]["Item"]
        assert key["pk"] == to_item({"pk": "sweeper"})["pk"]
        assert f"`{key['sk']['S']}`" in text
