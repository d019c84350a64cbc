"""The work for a request grows as the request does. If it grew as the square, the largest body would take minutes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest

from gateway.calls.estimate import estimate
from gateway.dialects.chat.request import read_request
from gateway.dialects.chat.schema import parse_chat
from gateway.dialects.converse.request import write_request
from gateway.models.money import MICRO, Price
from tests.unit.dialects.translating import HI, called, result, tool, used

KEPT = {"cache_control": {"type": "ephemeral"}}
NOTHING = {"type": "text", "text": "", **KEPT}
SAID = {"type": "text", "text": "x"}
THOUGHT = {"type": "thinking", "thinking": "hm"}
PRICE = Price(input=MICRO, output=MICRO, max_input_tokens=200_000)


def steps(work: Callable[[], object]) -> int:
    """The number of instructions that the interpreter needs. It is the same each time, whatever else the machine
    does."""
    count = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal count
        frame.f_trace_lines, frame.f_trace_opcodes = False, True
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def turns(number: int) -> list[dict[str, Any]]:
    return [HI, {"role": "assistant", "content": "a"}] * number


REQUESTS: dict[str, Callable[[int], dict[str, Any]]] = {
    "one id for all calls": lambda n: {"messages": [HI, called(*[used("a")] * n)], "tools": [tool()]},
    "odd ids": lambda n: {"messages": [HI, called(*[used(f"a.{at}") for at in range(n)])], "tools": [tool()]},
    "marks behind many turns": lambda n: {"messages": [*turns(n), {"role": "user", "content": [{**SAID, **KEPT}] * n}]},
    "marks behind reasoning": lambda n: {
        "messages": [HI, {"role": "assistant", "content": [SAID, *[THOUGHT] * n, *[NOTHING] * n, SAID]}]
    },
    "marks behind reasoning alone": lambda n: {
        "messages": [HI, {"role": "assistant", "content": [*[THOUGHT, NOTHING] * n, SAID]}]
    },
    "marks behind nothing": lambda n: {"messages": [*[result("q", "", **KEPT)] * n, HI], "tools": [tool()]},
    "results": lambda n: {
        "messages": [HI, called(*map(used, map(str, range(n)))), *map(result, map(str, range(n)))],
        "tools": [tool()],
    },
    "tools": lambda n: {"messages": [HI], "tools": [{**tool(f"f.{at}"), **KEPT} for at in range(n)]},
    "text": lambda n: {"messages": [{"role": "user", "content": [SAID] * n}]},
}


@pytest.mark.parametrize("name", REQUESTS)
def test_twice_the_request_is_twice_the_work(name: str) -> None:
    def work(size: int) -> int:
        body = {"model": "m", **REQUESTS[name](size)}

        def run() -> None:
            parse_chat(body)
            estimate(body, PRICE, target="bedrock/anthropic.claude-x", choices=1, output_cap=10)
            request, dropped = read_request({**body, "model": None}, cap=10)
            write_request(request, dropped, metadata={}, one_tool=False)

        return steps(run)

    assert work(400) < 2.5 * work(200)


def words(value: Any) -> Iterator[str]:
    """Everything in a body that a model receives: texts and names, except Converse's own."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, below in value.items():
            yield from (name,) if name in ("type", "properties") else ()
            yield from words(below)
    elif isinstance(value, list):
        for below in value:
            yield from words(below)


@pytest.mark.parametrize(
    "body",
    [
        {"messages": [HI, called(*[{"id": "a", "function": {"name": ".", "arguments": ""}}] * 500)], "tools": [tool()]},
        {"messages": [HI], "tools": [{"function": {"name": chr(0x80 + at)}} for at in range(500)]},
        {"messages": [HI, *[result("a", "")] * 500, *[{"role": "assistant"}] * 500]},
    ],
    ids=["calls", "tools", "results"],
)
def test_what_a_translation_adds_is_held_too(body: dict[str, Any]) -> None:
    held = estimate(
        body, Price(input=MICRO, output=MICRO), target="bedrock/anthropic.claude-x", choices=1, output_cap=1
    )
    request, dropped = read_request(body, cap=1)
    written = write_request(request, dropped, metadata={}, one_tool=False)
    assert sum(len(word.encode()) for word in words(written.body)) <= held.prompt
