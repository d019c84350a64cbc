"""The chunks of a chat stream are data: whatever their values, the sound parts are read, and counts and tier are
kept."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from gateway.dialects.pairs import Stream
from gateway.dialects.unsupported import Unusable
from gateway.models.usage import Usage

CALL = {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CHUNKS: list[dict[str, Any]] = [
    {"id": "c", "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}], "service_tier": "priority"},
    {"choices": [{"index": 0, "delta": {"content": "hi", "reasoning": "so"}}]},
    {"choices": [{"index": 0, "delta": {"tool_calls": [CALL]}}]},
    {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    {"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}},
]
ODD: tuple[Any, ...] = (None, 0, 1.5, True, "x", [], {}, [1], [None], [[]], {"a": 1})


def paths(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, below in inside:
        yield (*above, name)
        yield from paths(below, (*above, name))


def put(chunks: list[dict[str, Any]], path: tuple[Any, ...], value: Any) -> list[dict[str, Any]]:
    changed: Any = copy.deepcopy(chunks)
    holder = changed
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = value
    return [each for each in changed if isinstance(each, dict)]


def hear(stream: Stream, chunks: list[dict[str, Any]]) -> None:
    for chunk in chunks:
        stream.hear("", chunk)
    stream.tap.end(done=False)


@pytest.mark.parametrize("client", ["chat", "messages"])
@pytest.mark.parametrize("path", [path for path in paths(CHUNKS[:4]) if len(path) > 1], ids=str)
def test_no_value_of_a_chunk_is_a_fault_of_ours(client: str, path: tuple[Any, ...]) -> None:
    for value in ODD:
        stream = Stream(client, "chat", {}, known="k", model="m", most=100)
        with suppress(Unusable):  # a call that never began
            hear(stream, put(CHUNKS, path, value))
        assert stream.tap.used is not None
        assert stream.tap.used.usage == Usage(input_tokens=10, output_tokens=5)


@pytest.mark.parametrize("client", ["chat", "messages"])
def test_the_tier_that_any_chunk_names_is_told_with_the_counts(client: str) -> None:
    stream = Stream(client, "chat", {}, known="k", model="m", most=100)
    hear(stream, CHUNKS)
    assert stream.tap.used is not None
    assert stream.tap.used.tier == "priority"
