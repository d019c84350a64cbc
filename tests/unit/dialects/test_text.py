"""Legacy completions: the chunks say the same as the whole answer, whatever deltas a model sends."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import Completion
from openai.types.completion_create_params import CompletionCreateParamsBase

from gateway.config.document import TierLimits
from gateway.dialects.neutral import (
    BlockStop,
    Delta,
    Finish,
    ReasoningDelta,
    Rest,
    Start,
    TextDelta,
    ToolStart,
    Used,
)
from gateway.dialects.text.policy import NOT_HERE, PASSED, READ
from gateway.dialects.text.roles import CLIENT
from gateway.dialects.text.schema import parse_text
from gateway.dialects.written import Asked
from gateway.models.usage import Usage
from tests.unit.dialects.test_any_messages import refusal_of

blocks = st.integers(0, 3)
deltas = st.lists(
    st.one_of(
        st.just(Start()),
        st.builds(TextDelta, blocks, st.text()),
        st.builds(ReasoningDelta, blocks, st.text()),
        st.builds(ToolStart, blocks, st.text(), st.text()),
        st.builds(BlockStop, blocks),
        st.builds(lambda text: Rest({"refusal": text}), st.text()),
        st.builds(lambda text: Rest({"other": text}), st.text()),
    )
)
reasons = st.sampled_from(["stop", "length", "content_filter", "tool_calls", "pause_turn"])


@given(deltas, reasons)
def test_chunks_are_the_whole_in_pieces(said: list[Delta], reason: str) -> None:
    said = [*said, Finish(reason), Used(Usage(input_tokens=3, output_tokens=4))]
    whole = CLIENT.whole(said, known="k", model="m")
    read = Completion.model_validate(whole, strict=True)
    writer = CLIENT.writer(known="k", model="m")
    chunks = [chunk for delta in said for _, chunk in writer.write(delta)] + [chunk for _, chunk in writer.end()]
    texts: list[str] = [chunk["choices"][0]["text"] for chunk in chunks]
    assert "".join(texts) == read.choices[0].text
    assert chunks[-1]["choices"][0]["finish_reason"] == read.choices[0].finish_reason
    assert all(chunk["choices"][0]["finish_reason"] is None for chunk in chunks[:-1])
    assert (whole["usage"]["total_tokens"], writer.failed) == (7, "")


def test_every_field_of_the_package_has_its_fate() -> None:
    documented = {*CompletionCreateParamsBase.__annotations__, "stream"}
    assert documented == READ | PASSED | set(NOT_HERE)


@pytest.mark.parametrize("name", sorted(NOT_HERE))
def test_what_asks_for_nothing_passes_and_anything_else_does_not(name: str) -> None:
    def read(body: dict[str, Any]) -> object:
        return CLIENT.read(Asked({"prompt": "a"} | body, "m", 9))

    for value in (None, *NOT_HERE[name]):
        assert refusal_of({name: value}, read) is None
    for value in (2, True, "x", [1], {"1": 1}):
        assert refusal_of({name: value}, read) == name


@pytest.mark.parametrize(
    ("said", "most", "cap"), [({}, None, 16), ({"max_tokens": 99}, None, 99), ({"max_tokens": 99}, 50, 50)]
)
def test_the_cap(said: dict[str, Any], most: int | None, cap: int) -> None:
    request = parse_text({"model": "m", "prompt": "a"} | said)
    assert request.cap(TierLimits(requests_per_minute=1), most) == cap
