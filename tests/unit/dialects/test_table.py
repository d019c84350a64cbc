"""The table in docs/api.md of the fate of a chat request on its way to Bedrock: each row is true."""

from __future__ import annotations

import pytest

from gateway.dialects.unsupported import Unsupported
from gateway.models.vendors import Sampling
from tests.unit.dialects.table_refused import REFUSED
from tests.unit.dialects.table_sent import SAID
from tests.unit.dialects.translating import translated
from tools.local.emulator import ROOT

_START, _END = "<!-- bedrock -->", "<!-- /bedrock -->"
FATES = {"translated", "named", "ignored", "refused"}


def table() -> dict[str, str]:
    """The rows: the field that is sent, and its fate."""
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    lines = text.partition(_START)[2].partition(_END)[0].strip().splitlines()[2:]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    assert all(len(row) == 3 for row in rows)
    return {row[0].strip(): row[1] for row in rows}


def test_every_row_is_tried_and_every_trial_is_a_row() -> None:
    rows = table()
    assert set(rows) == set(SAID) | set(REFUSED)
    assert {row for row, fate in rows.items() if fate == "refused"} == set(REFUSED)
    assert set(rows.values()) == FATES


def _sampling(row: str) -> Sampling:
    return "none" if "Claude Opus from 4.7" in row else "one" if "Claude from 4 on" in row else "all"


@pytest.mark.parametrize("row", SAID)
def test_what_is_sent(row: str) -> None:
    fate = table()[row]
    for body, named, check in SAID[row]:
        found = translated(body, one_tool="Claude from 4 on" in row, sampling=_sampling(row))
        assert found.dropped == named, body
        assert bool(named) == (fate == "named"), row
        assert check(found), found.body


@pytest.mark.parametrize("row", REFUSED)
def test_what_is_refused(row: str) -> None:
    for body, path in REFUSED[row]:
        with pytest.raises(Unsupported) as refusal:
            translated(body)
        assert refusal.value.param == path
        assert str(refusal.value).startswith(path)
