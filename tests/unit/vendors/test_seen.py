"""What an event shows of an answer: every token of it is within the bytes that are counted."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.dialects.neutral import ArgumentsDelta, BlockStop, Delta, Rest, SignatureDelta, TextDelta, ToolStart
from gateway.dialects.pairs import Piece
from gateway.vendors.seen import seen


def chunk(*deltas: dict[str, Any]) -> Piece:
    choices = [{"index": number, "delta": delta} for number, delta in enumerate(deltas)]
    return Piece("", {"choices": choices})


@pytest.mark.parametrize(
    ("piece", "said"),
    [
        (chunk({"role": "assistant", "content": ""}), (0, 0)),
        (chunk({"content": "Hello"}), (1, 5)),
        (chunk({"content": "süß"}), (1, 5)),
        (chunk({}, {"content": "Hi"}, {"content": "there"}), (2, 7)),  # of several choices each is billed
        (chunk({"refusal": "I can't"}), (1, 7)),
        (chunk({"function_call": {"arguments": '{"a"'}}), (1, 4)),
        (chunk({"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}), (1, 2)),
        (chunk({"reasoning_details": [{"type": "text", "text": "well"}]}), (1, 4)),
        (Piece("", {"choices": [None, {"delta": "odd"}]}), (0, 0)),
    ],
)
def test_all_that_a_chunk_of_chat_says_is_seen(piece: Piece, said: tuple[int, int]) -> None:
    assert seen(piece, same=True) == said


@pytest.mark.parametrize(
    ("delta", "said"),
    [
        (TextDelta(0, "Hello"), (1, 5)),
        (TextDelta(0, ""), (0, 0)),
        (ToolStart(0, "id", "look_up"), (1, 7)),
        (ArgumentsDelta(0, "{}"), (1, 2)),
        (SignatureDelta(0, "c2ln"), (0, 0)),
        (BlockStop(0), (0, 0)),
        (Rest({"refusal": "no"}), (1, 17)),
        (Rest({}, {"logprobs": {}}), (0, 0)),
    ],
)
def test_what_another_dialect_says_is_seen_by_its_deltas(delta: Delta, said: tuple[int, int]) -> None:
    assert seen(Piece("x", {"choices": [{"delta": {"content": "made here"}}]}, (delta,)), same=False) == said
    assert seen(Piece("x", None, (delta,)), same=False) == said
