"""If a client hangs up during a paid call, a hang-up is counted. No refusal is counted, because nobody refused the
call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.contract.asked import Door
from tests.contract.front import Gateway
from tests.upstream import Steer
from tests.upstream.server import Seen

Lines = Callable[[], list[dict[str, Any]]]
CHAT = {"model": "gpt-4", "messages": [{"role": "user", "content": "Hello!"}]}


def counted(lines: Lines) -> list[tuple[str, list[float]]]:
    """The hang-ups and refusals in the metrics that were written since the last call."""
    metrics = [line for line in lines() if "_aws" in line]
    return [(name, line[name]) for line in metrics for name in ("HangUps", "Refusals") if name in line]


@pytest.fixture
def door(gateway: Gateway) -> Door:
    return Door(gateway, "/v1/chat/completions")


@pytest.mark.parametrize("streams", [False, True], ids=["whole", "streamed"])
def test_a_client_that_leaves_while_the_provider_is_silent(
    gateway: Gateway, door: Door, log_lines: Lines, streams: bool
) -> None:
    gone: list[bool] = []

    def decide(_seen: Seen) -> Steer:
        gone.append(True)
        return Steer(delay=30)

    gateway.fake.decide = decide
    answer = door.ask(CHAT | {"stream": streams}, gone=lambda: bool(gone))
    assert answer.data is not None  # read to its end, as a server does: only then the metrics are written
    gateway.fake.closing.set()
    assert [row["status"] for row in gateway.rows()] == ["client_closed_request"]
    assert counted(log_lines) == [("HangUps", [1])]


def test_a_client_that_leaves_within_a_stream(gateway: Gateway, door: Door, log_lines: Lines) -> None:
    gateway.fake.decide = lambda _seen: Steer(text="word " * 40)
    answer = door.ask(CHAT | {"stream": True})
    assert next(answer.pieces)
    answer.pieces.close()  # type: ignore[attr-defined]  # it is a generator
    assert [row["status"] for row in gateway.rows()] == ["client_closed_request"]
    assert counted(log_lines) == [("HangUps", [1])]


def test_an_answer_that_was_read_and_a_refusal_are_no_hang_ups(door: Door, log_lines: Lines) -> None:
    for streams in (False, True):
        assert door.ask(CHAT | {"stream": streams}).data
    assert counted(log_lines) == []
    assert door.ask(CHAT | {"model": "nothing"}).status == 404
    assert counted(log_lines) == [("Refusals", [1])]
