"""Which fields may leave for whom: presence decides, never the value."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import completion_create_params

from gateway.dialects.chat.policy import DOCUMENTED, REFUSED, check_fields
from gateway.errors import BadRequest

GOOD: dict[str, Any] = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 5}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {"model": {}}}}}
NONE: frozenset[str] = frozenset()
HOSTS = [None, NONE, frozenset(("models", "audio", "x_new", "tools.model"))]  # OpenAI itself, and two others


def refused(body: dict[str, Any], passed: frozenset[str] | None) -> str | None:
    with pytest.raises(BadRequest) as caught:
        check_fields(GOOD | body, passed)
    assert caught.value.code == "unsupported_parameter"
    return caught.value.param


@pytest.mark.parametrize("passed", HOSTS)
@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_refused_whatever_its_value(name: str, passed: frozenset[str] | None) -> None:
    for value in ({}, [], "", 0, False, {"a": 1}, ["x"], "x", 1, True):
        assert refused({name: value}, passed) == name
    for spelled in (name.upper(), name.title()):
        assert refused({spelled: "x"}, passed) == spelled
    check_fields(GOOD | {name: None}, passed)


@pytest.mark.parametrize("passed", HOSTS)
@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"modalities": ["audio"]}, "modalities"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"tools": [TOOL, {"type": ""}]}, "tools[1].type"),
        ({"tools": [TOOL, {"type": "mcp", "server_url": "x"}]}, "tools[1].type"),
        ({"tools": [TOOL | {"model": "gpt-5"}]}, "tools[0].model"),
        ({"tools": [TOOL | {"models": []}]}, "tools[0].models"),
        ({"tools": [TOOL | {"extra_body": {}}]}, "tools[0].extra_body"),
        ({"prediction": {"type": "content", "content": "x", "model": "gpt-5"}}, "prediction.model"),
        ({"stream_options": {"Models": ["x"]}}, "stream_options.Models"),
        ({"Max_Tokens": 10**6}, "Max_Tokens"),
        ({"MODEL": "gpt-5"}, "MODEL"),
    ],
)
def test_what_is_paid_or_names_a_model_is_refused_where_it_stands(
    body: dict[str, Any], param: str, passed: frozenset[str] | None
) -> None:
    assert refused(body, passed) == param


@pytest.mark.parametrize("passed", HOSTS)
def test_what_the_caller_runs_itself_passes(passed: frozenset[str] | None) -> None:
    custom = {"type": "custom", "custom": {"name": "g"}}
    check_fields(GOOD | {"tools": [TOOL, custom, {"function": {"name": "f"}}], "modalities": ["text"]}, passed)


def test_an_unknown_field_reaches_another_host_only_where_it_is_listed() -> None:
    check_fields(GOOD | {"x_new": 1}, None)
    check_fields(GOOD | {"x_new": 1}, frozenset(("x_new",)))
    assert refused({"x_new": {}}, NONE) == "x_new"
    with pytest.raises(BadRequest, match=r"x_new: .* operator has not listed it"):
        check_fields(GOOD | {"x_new": {}}, NONE)
    assert refused({"X_new": {}}, frozenset(("x_new",))) == "X_new"
    check_fields(GOOD | {"x_new": None}, NONE)
    assert refused({"tools": [TOOL | {"x_new": 1}]}, NONE) == "tools[0].x_new"
    check_fields(GOOD | {"tools": [TOOL | {"x_new": 1}]}, frozenset(("tools.x_new",)))
    check_fields(GOOD | {"tools": [TOOL | {"x_new": 1}]}, None)


@given(st.dictionaries(st.text(max_size=20), st.none() | st.integers() | st.just({}), max_size=5))
def test_no_other_field_ever_reaches_another_host(extra: dict[str, Any]) -> None:
    unknown = [name for name, value in extra.items() if value is not None and name not in DOCUMENTED]
    known = {name: value for name, value in extra.items() if name not in DOCUMENTED}
    if unknown:
        refused(known, NONE)
    else:
        check_fields(GOOD | known, NONE)


def test_the_table_knows_every_field_of_the_sdk() -> None:
    fields = set(completion_create_params.CompletionCreateParamsBase.__annotations__) | {"stream"}
    assert fields - set(REFUSED) == DOCUMENTED
    assert not DOCUMENTED & set(REFUSED)
    assert all(name == name.casefold() for name in (*REFUSED, *DOCUMENTED))
