"""The tables in docs/dialects.md of the fate of a request on its way to each target, cell by cell."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import pytest

from gateway.dialects.unsupported import Unsupported
from gateway.errors import BadRequest
from tests.unit.dialects.sent import TARGETS, Sent, chat_to_messages
from tests.unit.dialects.table_chat import CHAT
from tests.unit.dialects.table_messages import TRIALS, Fate
from tools.local.emulator import ROOT

Trials = Mapping[str, list[tuple[dict[str, Any], dict[str, Fate]]]]
FATES = {"passed", "translated", "dropped", "ignored", "refused", ""}


def refusal_of(send: Callable[[], object]) -> str:
    """The path with which it is refused; the message begins with it."""
    try:
        send()
    except (Unsupported, BadRequest) as refusal:
        return refusal.param if refusal.param and str(refusal).startswith(refusal.param) else str(refusal)
    return "not refused"


def table(name: str = "messages", targets: Collection[str] = TARGETS) -> dict[str, dict[str, str]]:
    """The fates, by the field that is sent and by target. A fate is empty if the target itself decides it."""
    text = (ROOT / "docs" / "dialects.md").read_text(encoding="utf-8")
    head, _, *lines = text.partition(f"<!-- {name} -->")[2].partition(f"<!-- /{name} -->")[0].strip().splitlines()
    assert [cell.strip() for cell in head.strip("|").split("|")][1:] == list(targets)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0]: dict(zip(targets, row[1:], strict=True)) for row in rows}


@pytest.mark.parametrize(
    ("name", "trials", "targets"), [("messages", TRIALS, TARGETS), ("chat", CHAT, {"Messages": chat_to_messages})]
)
def test_every_cell_is_tried_and_every_trial_is_a_cell(name: str, trials: Trials, targets: Collection[str]) -> None:
    rows = table(name, targets)
    assert set(rows) == set(trials)
    for row, tries in trials.items():
        tried = {target: {fates[target].word for _, fates in tries if target in fates} for target in targets}
        assert {target: {cell} - {""} for target, cell in rows[row].items()} == tried, row
    assert {cell for row in rows.values() for cell in row.values()} <= FATES


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("row", TRIALS)
def test_what_becomes_of_it(row: str, target: str) -> None:
    try_all(TRIALS[row], target, TARGETS[target])


@pytest.mark.parametrize("row", CHAT)
def test_what_becomes_of_chat(row: str) -> None:
    try_all(CHAT[row], "Messages", chat_to_messages)


def try_all(trials: list[tuple[dict[str, Any], dict[str, Fate]]], target: str, send: Callable[[Any], Sent]) -> None:
    for body, fates in trials:
        fate = fates.get(target)
        if fate is None:
            continue
        if fate.word == "refused":
            assert refusal_of(lambda body=body: send(body)) == fate.paths[0]  # type: ignore[misc]
            continue
        sent = send(body)
        assert sorted(sent.dropped) == sorted(fate.paths), body
        assert fate.check(sent.body), sent.body
