"""Chat requests: fields that the gateway depends on are checked, and all others pass."""

import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.document import TierLimits
from gateway.dialects.chat.schema import parse_chat, provider_body
from gateway.errors import BadRequest

TIER = TierLimits(requests_per_minute=10)
GOOD: dict[str, Any] = {"model": "gpt-4", "messages": [{"role": "user", "content": "hi"}]}


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"model": None}, "model"),
        ({"model": 5}, "model"),
        ({"model": "a b"}, "model"),
        ({"model": "x" * 200}, "model"),
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": [{"role": "king", "content": "hi"}]}, "messages[0].role"),
        ({"messages": [{"content": "hi"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": ["hi"]}]}, "messages[0].content[0]"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": -5}, "max_tokens"),
        ({"max_tokens": 10**12}, "max_tokens"),
        ({"max_tokens": "10"}, "max_tokens"),
        ({"n": 10**6}, "n"),
        ({"temperature": 3}, "temperature"),
        ({"temperature": "NaN"}, "temperature"),
        ({"stream": "yes"}, "stream"),
        ({"tags": ["a b"]}, "tags[0]"),
        ({"tags": ["a", "(other)"]}, "tags[1]"),
        ({"tags": ["a", ""]}, "tags[1]"),
        ({"tags": ["a\n"]}, "tags[0]"),
        ({"tags": ["t" * 65]}, "tags[0]"),
        ({"tags": ["a|b"]}, "tags[0]"),
        ({"tags": [f"t{number}" for number in range(11)]}, "tags"),
        ({"tags": ["t"] * 11}, "tags"),
        ({"tags": "t"}, "tags"),
        ({"mcp": {}}, "mcp"),
        ({"fallbacks": ["gpt-4"]}, "fallbacks"),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequest) as refused:
        parse_chat(GOOD | change)
    assert refused.value.param == param


@pytest.mark.parametrize("missing", ["model", "messages"])
def test_a_missing_field_is_named(missing: str) -> None:
    with pytest.raises(BadRequest) as refused:
        parse_chat({name: value for name, value in GOOD.items() if name != missing})
    assert refused.value.param == missing


def test_what_was_sent_never_comes_back_in_an_error() -> None:
    with pytest.raises(BadRequest) as refused:
        parse_chat(GOOD | {"max_tokens": "canary"})
    assert "canary" not in refused.value.message


@given(st.dictionaries(st.text(min_size=1).filter(lambda name: name not in {"mcp", "cache"}), st.integers()))
def test_unknown_fields_pass_untouched(extra: dict[str, int]) -> None:
    known = {*GOOD, "tags", "stream", "stream_options", "fallbacks", "mcpContext"}
    body = extra | GOOD
    assert provider_body(body) == {
        name: value for name, value in body.items() if name not in known or name == "messages"
    }


@pytest.mark.parametrize(
    ("asked", "most", "cap"),
    [
        ({}, None, 1_024),
        ({}, 100, 100),
        ({"max_tokens": 50}, 100, 50),
        ({"max_tokens": 5_000}, 4_096, 4_096),
        ({"max_tokens": 5_000}, None, 5_000),
        ({"max_tokens": 70, "max_completion_tokens": 60}, None, 60),
    ],
)
def test_the_enforced_cap(asked: dict[str, int], most: int | None, cap: int) -> None:
    assert parse_chat(GOOD | asked).cap(TIER, most) == cap


def test_a_tag_that_is_sent_twice_is_one() -> None:
    assert parse_chat({**GOOD, "tags": ["b", "a", "b", "A", "a"]}).tags == ["b", "a", "A"]


@pytest.mark.parametrize(
    "change",
    [
        {"messages": [{"role": "assistant", "tool_calls": [1] * 100_000}]},
        {"messages": [{"role": "assistant", "thinking_blocks": [1] * 100_000}]},
        {"messages": [{"role": "user", "content": [1] * 100_000}]},
        {"messages": [1] * 9_000},
        {"tools": [1] * 9_000},
        {"functions": [1] * 100_000},
        {"modalities": [1] * 100_000},
        {"mcpContext": {"productIds": [1] * 100_000}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_of_many_faults_the_first_is_told_and_no_other_kept(change: dict[str, Any]) -> None:
    body = {**GOOD, **change}
    with pytest.raises(BadRequest):  # the models that check it are made now
        parse_chat(body)
    tracemalloc.start()
    try:
        with pytest.raises(BadRequest):
            parse_chat(body)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
