"""The table in docs/dialects.md of the fate of a Responses request on its way to each target, cell by cell."""

from __future__ import annotations

import pytest

from tests.unit.dialects.responses_sent import TARGETS, to_azure
from tests.unit.dialects.table_responses import TRIALS
from tests.unit.dialects.test_table_messages import FATES, table, try_all


def test_every_cell_is_tried_and_every_trial_is_a_cell() -> None:
    rows = table("responses", TARGETS)
    assert set(rows) == set(TRIALS)
    for row, tries in TRIALS.items():
        tried = {target: {fates[target].word for _, fates in tries if target in fates} for target in TARGETS}
        assert {target: {cell} - {""} for target, cell in rows[row].items()} == tried, row
    assert {cell for row in rows.values() for cell in row.values()} <= FATES


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("row", TRIALS)
def test_what_becomes_of_it(row: str, target: str) -> None:
    try_all(TRIALS[row], target, TARGETS[target])


@pytest.mark.parametrize("row", TRIALS)
def test_the_same_becomes_of_it_at_another_host_of_the_format(row: str) -> None:
    try_all(TRIALS[row], "Responses", to_azure)
