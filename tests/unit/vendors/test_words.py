"""The meaning of an upstream's own words: a prompt that is too long, a field that is wrong. Nothing else of them comes
out."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.chat.request import read_request
from gateway.dialects.converse.request import write_request
from gateway.dialects.paths import client_path
from gateway.dialects.written import Written
from gateway.errors import UpstreamRejected
from gateway.vendors.base import Provider
from gateway.vendors.failures import is_too_long
from tests.unit.vendors.asking import call, failure
from tests.upstream import FakeUpstream, Steer

TOO_LONG = [
    "Input is too long for requested model.",
    "The model returned the following errors: Input is too long for requested model.",
    "The model returned the following errors: prompt is too long: 210000 tokens > 200000 maximum",
    "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000, decrease input length",
    "Too many input tokens. Max input tokens: 300000, request input token count: 400000",
    "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
    "This model's maximum context length is 4096 tokens. Please reduce the length of the prompt",
    "Your input exceeds the context window of this model. Please adjust your input and try again.",
    "the request exceeds the available context size. try increasing the context size",
    "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
    "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length",
    "This model's maximum prompt length is 131072 but the request contains 200000 tokens.",
    "too many tokens: size limit exceeded by 100 tokens",
    "Please reduce the length of the messages or completion.",
    "Conversation is too long",
]
NOT_TOO_LONG = [
    "Invalid 'user': string too long. Expected a string with maximum length 64, but got one of length 70.",
    "max_tokens is too large: 9000. This model supports at most 4096 completion tokens.",
    "The text field in the ContentBlock object at messages.0.content.0 is blank.",
    "The maximum tokens you requested exceeds the model limit of 4096.",
    "tools.0.custom.name: String should have at most 128 characters",
    "Image size is too large",
    "",
]


@pytest.mark.parametrize("message", TOO_LONG)
@pytest.mark.parametrize("status", [400, 413])
def test_a_prompt_that_is_too_long_is_said_so_by_every_host(
    fake: FakeUpstream, provider: Provider, message: str, status: int
) -> None:
    fake.script(Steer(status=status, message=message, error_type="ValidationException"))
    error = failure(provider, call())
    assert isinstance(error, UpstreamRejected)
    assert (error.status, error.code, error.upstream_status) == (400, "context_length_exceeded", status)
    assert "tokens" not in error.message


@pytest.mark.parametrize("message", NOT_TOO_LONG)
def test_other_words_say_nothing_of_the_prompt(fake: FakeUpstream, provider: Provider, message: str) -> None:
    fake.script(Steer(status=400, message=message, error_type="ValidationException"))
    assert failure(provider, call()).code == "upstream_rejected"


def test_a_limit_that_speaks_of_tokens_is_no_prompt_that_is_too_long(fake: FakeUpstream, provider: Provider) -> None:
    fake.script(Steer(status=429, message="Too many tokens, please wait before trying again."))
    error = failure(provider, call())
    assert (error.status, error.code) == (429, "upstream_throttled")


@given(st.text(max_size=300) | st.sampled_from(TOO_LONG).map(lambda text: text * 2_000))
def test_any_words_are_read_at_once(message: str) -> None:
    assert is_too_long(message) in (True, False)


MESSAGES: list[Any] = [
    {"role": "system", "content": "be"},
    {"role": "user", "content": [{"type": "text", "text": " "}, {"type": "text", "text": "a"}]},
    {"role": "user", "content": [{"type": "text", "text": "b", "cache_control": {"type": "ephemeral"}}]},
    {
        "role": "assistant",
        "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
    },
    {"role": "tool", "tool_call_id": "c", "content": "done"},
    {"role": "user", "content": "so?"},
]
TOOLS = [
    {"type": "function", "function": {"name": "f"}, "cache_control": {"type": "ephemeral"}},
    {"type": "function", "function": {"name": "g"}},
]
PATHS = [
    ("The text field in the ContentBlock object at messages.0.content.1 is blank. Add text.", "messages[2].content[0]"),
    ("messages.1.content.0.tool_use.id: String should match pattern", "messages[3].tool_calls[0]"),
    ("The content field at messages.2.content.0.toolResult is empty", "messages[4].tool_call_id"),
    ("messages.2.content.1: what is it", "messages[5].content"),
    ("The content field in the Message object at messages.0 is empty.", "messages[1]"),
    ("messages.9: unexpected", "messages"),
    ("messages: text content blocks must be non-empty", "messages"),
    ("system.0.text: is bad", "messages[0].content"),
    ("system: text content blocks must be non-empty", "messages"),
    ("toolConfig.tools.2.member.toolSpec.name: is bad", "tools[1]"),
    ("The model returned the following errors: tools.0.custom.input_schema.type: Field required", "tools[0]"),
    ("tools.1.custom.name: is bad", "tools[1]"),
    ("toolConfig.tools.1.toolSpec.name: is bad", "tools"),  # the mark for the cache
    ("The model returned the following errors: messages.0.content.2: no", "messages[1]"),
    ("no: messages.0.content.2: no", "messages[2].content[0].cache_control"),
    (
        "1 validation error detected: Value '1.5' at 'inferenceConfig.temperature' failed to satisfy constraint: "
        "Member must have value less than or equal to 1",
        "temperature",
    ),
    ("inferenceConfig.stopSequences.0: is blank", "stop"),
    ("thinking.budget_tokens: must be at least 1024", "thinking.budget_tokens"),
    ("Malformed input request: #/tool_choice: extraneous key [x] is not permitted", "tool_choice"),
    ("additionalModelRequestFields.x: is bad", None),
    ("arn:aws:bedrock:us-east-1:123456789012:inference-profile/messages.1: no", None),
    ("https://bedrock-runtime.us-east-1.amazonaws.com/messages.0.content.0: no", None),
    ("someone@messages.0: no", None),
    ("Your account 123456789012 may not use the system", None),
    ("messages.123456789012: no", "messages"),
    ("", None),
]


def _written() -> Written:
    request, dropped = read_request({"messages": MESSAGES, "tools": TOOLS}, cap=5)
    return write_request(request, dropped, metadata={}, one_tool=False)


@pytest.mark.parametrize(("message", "path"), PATHS)
def test_a_validation_speaks_of_the_clients_own_field(
    fake: FakeUpstream, bedrock: Provider, message: str, path: str | None
) -> None:
    assert client_path(message, _written()) == path
    fake.script(Steer(status=400, message=message))
    error = failure(bedrock, call(messages=MESSAGES, tools=TOOLS))
    assert isinstance(error, UpstreamRejected)
    assert error.param == path
    assert "123456789012" not in error.message
    if path:
        assert f" at {path} " in error.message


@given(st.text(max_size=80), st.from_regex(r"(messages|system|tools|x)([.\[/]?[0-9a-z@:]{0,9}){0,4}", fullmatch=True))
def test_a_path_is_one_of_the_clients_or_none(noise: str, path: str) -> None:
    found = client_path(f"{noise}{path}: {noise}", _written())
    assert found is None or found.partition("[")[0].partition(".")[0] in {
        *("messages", "tools", "tool_choice", "temperature", "top_p", "top_k", "stop", "thinking", "response_format"),
        *("reasoning_effort", "service_tier", "max_completion_tokens", "thinking.budget_tokens"),
    }
