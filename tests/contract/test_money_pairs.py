"""A stream that ends early costs the same in every dialect of its client: for every kind of end, at every event, on
each pair of a client's dialect and an endpoint's, to the micro-dollar."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from gateway import wiring
from gateway.calls.completions import Way
from gateway.calls.streaming import Streaming
from gateway.errors import GatewayError
from tests.contract.front import Gateway, Place
from tests.contract.money.callers import Read
from tests.contract.money.checked import Account, check_attempts
from tests.contract.money.drawn import CHATS, Call, errors_of
from tests.contract.money.owed import Asked
from tests.contract.money.run import configured
from tests.upstream import Steer, messages_judge, responses_judge

DIALECTS = ("chat", "messages", "responses", "text")
TEXT = " ".join(f"wq{at}z" for at in range(3))
TOOL: dict[str, Any] = {"tool": "look", "arguments": '{"at": 1}'}
PROVE = bool(os.environ.get("PROVE"))
EVENTS = range(14) if PROVE else (0, 1, 4, 6)
MORE = range(14) if PROVE else (3,)  # of answers that are not plain text


@pytest.fixture(scope="module", autouse=True)
def judges() -> None:
    messages_judge.warm()
    responses_judge.warm()


@pytest.fixture
def place() -> Place:
    return Place(providers="openai,bedrock,anthropic")


def ends(asked: Asked) -> Iterator[tuple[Steer, int | None]]:
    """Every end: what the fake does, and after how many pieces the client hangs up."""
    kind = errors_of(asked)[0]
    for said in ({"text": TEXT}, TOOL, {"text": TEXT, "reasoning": "hm, yes"}):
        plain = said.keys() == {"text"}
        for after in EVENTS if plain else MORE:
            yield Steer(**said, reset="body", after=after), None
            yield Steer(**said, stream_error=kind, after=after), None
            if plain:
                yield Steer(**said, reset="end", after=after), None
                yield Steer(**said), after
        yield Steer(**said), None
        yield Steer(**said, body="no-usage"), None


def body_of(dialect: str, model: str) -> dict[str, Any]:
    if dialect == "text":
        return {"model": model, "prompt": "Hello!", "max_tokens": 60, "stream": True}
    if dialect == "responses":
        return {"model": model, "input": "Hello!", "max_output_tokens": 60, "stream": True}
    return {"model": model, "messages": [{"role": "user", "content": "Hello!"}], "max_tokens": 60, "stream": True}


@pytest.mark.parametrize("model", [name for name in CHATS if name != "regions"])
def test_an_early_end_costs_the_same_in_every_dialect(gateway: Gateway, model: str) -> None:
    configured(gateway)
    text, key = gateway.new_key(max_budget=50.0, budget_duration="total")
    caller = wiring.gateway().identity.verify(text)
    assert caller is not None
    found, made = Account(), list[tuple[Call, int | None, bytes]]()
    for dialect in DIALECTS:
        asked = Asked(model, body_of(dialect, model), 60)
        for steer, leaves in ends(asked):
            gateway.fake.script(steer)
            mark = f"{dialect} {len(made)}"
            running = wiring.gateway().completions.start(
                caller, asked.body, correlation_id=mark, seconds_left=890, way=Way(dialect, streams=True, wake=0.05)
            )
            data = b""
            with suppress(GatewayError):
                pieces = Streaming(running).begun()
                for number, piece in enumerate(pieces):
                    data += piece
                    if number + 1 == leaves:
                        break
                pieces.close()
            call = Call(len(made), mark, dialect, asked, True, 0, [steer], leaves)
            made.append((call, leaves, data))
    rows = {row["correlation"]: row for row in gateway.rows()}
    assert len(rows) == len(made) == len(gateway.fake.deliveries)
    for (call, _, data), delivery in zip(made, gateway.fake.deliveries, strict=True):
        check_attempts(found, call, rows[call.mark], [delivery], Read(200, data=data))
    assert found.wrong == []
    spent = sum(row["actual"] for row in rows.values())
    item = wiring.gateway().limits_store.get(key)
    assert (item["spent_total"], item["used_total"]) == (spent, spent) == (found.counted + found.waits,) * 2
