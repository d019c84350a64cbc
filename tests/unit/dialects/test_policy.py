"""Which fields may leave for which provider: their presence decides, never their value."""

import typing
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat.completion_create_params import (
    CompletionCreateParamsNonStreaming,
    CompletionCreateParamsStreaming,
)

from gateway.calls.estimate import estimate
from gateway.dialects.chat.policy import DOCUMENTED, REFUSED, check_fields
from gateway.errors import BadRequest
from gateway.models.money import Price

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
    with pytest.raises(BadRequest, match=r"x_new: .* operator has not allowed it"):
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


# The class of every field of the SDK's request, at every depth ("[]": in a list). "open": costs nothing, or the bytes
# of the body bound it. "priced": the estimate prices it, or refuses it without a price. "window": brings in content
# that the body does not hold, bounded by the model's window. "ours": the gateway decides it. "refused": by its path.
FIELDS = {
    "audio": "refused",
    "audio.format": "refused",
    "audio.voice": "refused",
    "audio.voice.id": "refused",
    "frequency_penalty": "open",
    "function_call": "open",
    "function_call.name": "open",
    "functions": "open",
    "functions[].description": "open",
    "functions[].name": "open",
    "functions[].parameters": "open",
    "logit_bias": "open",
    "logprobs": "open",
    "max_completion_tokens": "ours",
    "max_tokens": "ours",
    "messages": "open",
    "messages[].audio": "window",
    "messages[].audio.id": "window",
    "messages[].content": "open",
    "messages[].content[].file": "window",
    "messages[].content[].file.file_data": "window",
    "messages[].content[].file.file_id": "window",
    "messages[].content[].file.filename": "window",
    "messages[].content[].image_url": "priced",
    "messages[].content[].image_url.detail": "open",
    "messages[].content[].image_url.url": "priced",
    "messages[].content[].input_audio": "open",
    "messages[].content[].input_audio.data": "open",
    "messages[].content[].input_audio.format": "open",
    "messages[].content[].prompt_cache_breakpoint": "priced",
    "messages[].content[].prompt_cache_breakpoint.mode": "priced",
    "messages[].content[].prompt_cache_breakpoint.ttl": "priced",
    "messages[].content[].refusal": "open",
    "messages[].content[].text": "open",
    "messages[].content[].type": "open",
    "messages[].function_call": "open",
    "messages[].function_call.arguments": "open",
    "messages[].function_call.name": "open",
    "messages[].name": "open",
    "messages[].refusal": "open",
    "messages[].role": "open",
    "messages[].tool_call_id": "open",
    "messages[].tool_calls": "open",
    "messages[].tool_calls[].custom": "open",
    "messages[].tool_calls[].custom.input": "open",
    "messages[].tool_calls[].custom.name": "open",
    "messages[].tool_calls[].function": "open",
    "messages[].tool_calls[].function.arguments": "open",
    "messages[].tool_calls[].function.name": "open",
    "messages[].tool_calls[].id": "open",
    "messages[].tool_calls[].type": "open",
    "metadata": "open",
    "modalities": "priced",
    "model": "ours",
    "moderation": "refused",
    "moderation.model": "refused",
    "moderation.policy": "refused",
    "moderation.policy.input": "refused",
    "moderation.policy.input.mode": "refused",
    "moderation.policy.output": "refused",
    "moderation.policy.output.mode": "refused",
    "n": "priced",
    "parallel_tool_calls": "open",
    "prediction": "priced",
    "prediction.content": "priced",
    "prediction.content[].prompt_cache_breakpoint": "open",
    "prediction.content[].prompt_cache_breakpoint.mode": "open",
    "prediction.content[].prompt_cache_breakpoint.ttl": "open",
    "prediction.content[].text": "priced",
    "prediction.content[].type": "open",
    "prediction.type": "open",
    "presence_penalty": "open",
    "prompt_cache_key": "open",
    "prompt_cache_options": "priced",
    "prompt_cache_options.mode": "open",
    "prompt_cache_options.ttl": "priced",
    "prompt_cache_retention": "priced",
    "reasoning_effort": "open",
    "response_format": "open",
    "response_format.json_schema": "open",
    "response_format.json_schema.description": "open",
    "response_format.json_schema.name": "open",
    "response_format.json_schema.schema": "open",
    "response_format.json_schema.strict": "open",
    "response_format.type": "open",
    "safety_identifier": "open",
    "seed": "open",
    "service_tier": "priced",
    "stop": "open",
    "store": "open",
    "stream": "ours",
    "stream_options": "ours",
    "stream_options.include_obfuscation": "ours",
    "stream_options.include_usage": "ours",
    "temperature": "open",
    "tool_choice": "open",
    "tool_choice.allowed_tools": "open",
    "tool_choice.allowed_tools.mode": "open",
    "tool_choice.allowed_tools.tools": "open",
    "tool_choice.custom": "open",
    "tool_choice.custom.name": "open",
    "tool_choice.function": "open",
    "tool_choice.function.name": "open",
    "tool_choice.type": "priced",
    "tools": "open",
    "tools[].custom": "open",
    "tools[].custom.description": "open",
    "tools[].custom.format": "open",
    "tools[].custom.format.grammar": "open",
    "tools[].custom.format.grammar.definition": "open",
    "tools[].custom.format.grammar.syntax": "open",
    "tools[].custom.format.type": "open",
    "tools[].custom.name": "open",
    "tools[].function": "open",
    "tools[].function.description": "open",
    "tools[].function.name": "open",
    "tools[].function.parameters": "open",
    "tools[].function.strict": "open",
    "tools[].type": "priced",
    "top_logprobs": "open",
    "top_p": "open",
    "user": "open",
    "verbosity": "open",
    "web_search_options": "refused",
    "web_search_options.search_context_size": "refused",
    "web_search_options.user_location": "refused",
    "web_search_options.user_location.approximate": "refused",
    "web_search_options.user_location.approximate.city": "refused",
    "web_search_options.user_location.approximate.country": "refused",
    "web_search_options.user_location.approximate.region": "refused",
    "web_search_options.user_location.approximate.timezone": "refused",
    "web_search_options.user_location.type": "refused",
}


def walked(kind: Any, path: str = "") -> Iterator[str]:
    """The path of every field in a type of the SDK."""
    if typing.get_origin(kind) in (list, Iterable):
        path += "[]"
    if hasattr(kind, "__required_keys__"):  # a TypedDict, of typing or of typing_extensions
        for name, inner in typing.get_type_hints(kind).items():
            below = f"{path}.{name}" if path else name
            yield below
            yield from walked(inner, below)
    for inner in typing.get_args(kind):
        if not isinstance(inner, str):
            yield from walked(inner, path)


def test_every_field_of_the_sdk_is_classified() -> None:
    """A field that a new SDK adds fails here until somebody has said what it costs."""
    base = CompletionCreateParamsNonStreaming, CompletionCreateParamsStreaming
    assert {path for kind in base for path in walked(kind)} == set(FIELDS)
    top = {path for path in FIELDS if "." not in path and "[" not in path}
    assert {path for path in top if FIELDS[path] != "refused"} == DOCUMENTED
    assert {path for path in top if FIELDS[path] == "refused"} <= set(REFUSED)
    assert not DOCUMENTED & set(REFUSED)
    assert all(name == name.casefold() for name in (*REFUSED, *DOCUMENTED))


PRICE = Price(input=1_000_000, output=1_000_000, cache_write=1_250_000, max_input_tokens=50_000)


def held(body: dict[str, Any]) -> int:
    """The tokens that are held for the prompt of a body, once the body may leave."""
    check_fields(body, None)
    return estimate(body, PRICE, target="openai/gpt-4o", choices=1, output_cap=10).prompt


def part(**said: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [said]}]}


PLAIN = held(part(type="text", text="hi"))


@pytest.mark.parametrize(
    "body",
    [
        part(type="file", file={"file_id": "file-1"}),
        part(type="file", file={"file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"}),
        part(type="video_url", video_url={"url": "https://example.com/long.mp4"}),
        part(type="a_new_type", a_new_type={"file_id": "file-1"}),
        {"messages": [{"role": "assistant", "audio": {"id": "audio-1"}}]},
    ],
)
def test_what_the_body_does_not_hold_is_bounded_by_the_window(body: dict[str, Any]) -> None:
    assert held(body) == PRICE.max_input_tokens


@pytest.mark.parametrize(
    ("body", "least"),
    [
        (part(type="image_url", image_url={"url": "https://example.com/a.png"}), 4_000),  # the provider fetches it
        (part(type="input_audio", input_audio={"data": "A" * 1_000, "format": "wav"}), 1_000),
        (GOOD | {"metadata": {"a": "b" * 500}}, 500),
    ],
)
def test_what_is_priced_by_number_or_bytes_is_held(body: dict[str, Any], least: int) -> None:
    assert PLAIN + least <= held(body) < PRICE.max_input_tokens  # type: ignore[operator]


@pytest.mark.parametrize("passed", HOSTS)
@pytest.mark.parametrize(
    ("body", "param"),
    [
        (part(type="text", text="x", file_id="file-1"), "messages[0].content[0].file_id"),
        (part(type="text", text="x", file_ids=["file-1"]), "messages[0].content[0].file_ids"),
        (part(type="image_url", image_url={"file_id": "file-1"}), "messages[0].content[0].image_url.file_id"),
        ({"messages": [{"role": "user", "content": "x", "attachments": [{}]}]}, "messages[0].attachments"),
        ({"messages": [{"role": "user", "content": "x"}, {"role": "user", "file_ids": []}]}, "messages[1].file_ids"),
        ({"messages": [{"role": "user", "content": "x", "File_IDs": ["f"]}]}, "messages[0].File_IDs"),
        (
            part(type="text", text="x", prompt_cache_breakpoint={"mode": "explicit", "ttl": "12h"}),
            "messages[0].content[0].prompt_cache_breakpoint.ttl",
        ),
        ({"tool_choice": {"type": "web_search_preview"}}, "tool_choice.type"),
        ({"tool_choice": {"type": "mcp", "server_label": "x"}}, "tool_choice.type"),
        (
            {"tool_choice": {"type": "allowed_tools", "allowed_tools": {"tools": [TOOL, {"type": "web_search"}]}}},
            "tool_choice.allowed_tools.tools[1].type",
        ),
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"prompt": {"id": "pmpt_1", "version": "2"}}, "prompt"),
        ({"background": True}, "background"),
        ({"prediction": {"type": "content", "content": "x", "file_id": "f"}}, "prediction.file_id"),
    ],
)
def test_what_brings_content_in_or_runs_a_paid_tool_is_refused_by_its_path(
    body: dict[str, Any], param: str, passed: frozenset[str] | None
) -> None:
    assert refused(body, passed) == param


@pytest.mark.parametrize("passed", HOSTS)
def test_what_only_looks_like_it_passes(passed: frozenset[str] | None) -> None:
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [TOOL]}}
    for body in (
        {"messages": [{"role": "user", "content": "x", "file_ids": None}]},
        {"messages": [{"role": "tool", "tool_call_id": "1", "content": '{"file_ids": ["f"]}'}]},
        part(type="text", text="x", prompt_cache_breakpoint={"mode": "explicit", "ttl": "30m"}),
        part(type="text", text="x", prompt_cache_breakpoint={"mode": "explicit"}),
        {"tools": [TOOL], "tool_choice": choice},
        {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "f"}}},
        {"tools": [TOOL], "tool_choice": {"function": {"name": "f"}}},
        {"tools": [TOOL], "tool_choice": "required"},
        {"tools": [{"type": "function", "function": {"name": "f", "parameters": {"properties": {"file_ids": {}}}}}]},
        {"store": True, "metadata": {"files": "a", "prompt": "b"}},
    ):
        check_fields(GOOD | body, passed)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "tools", "allowed_tools", "ttl", "file_id"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.text(max_size=5) | st.dictionaries(st.sampled_from(["type", "allowed_tools"]), ANYTHING), ANYTHING, ANYTHING)
def test_whatever_stands_there_is_refused_by_its_path_or_passes(choice: Any, point: Any, url: Any) -> None:
    odd = {"type": "image_url", "image_url": url, "prompt_cache_breakpoint": point}
    for passed in HOSTS:
        try:
            check_fields({"messages": [{"role": "user", "content": [odd]}], "tool_choice": choice}, passed)
        except BadRequest as error:
            param = error.param or ""
        else:
            param = ""
        assert not param or param.startswith(("messages[0].content[0].", "tool_choice."))
