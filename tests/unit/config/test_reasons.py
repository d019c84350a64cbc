"""The reasons for which a request is refused, in words of JSON, since a reader of them has never seen the code."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from pydantic.errors import PydanticInvalidForJsonSchema

from gateway.billing.statements import NewCorrection
from gateway.breakers.admin import Action
from gateway.catalogue.products import parse_fields, parse_new
from gateway.config.document import parse_config
from gateway.config.reasons import validated, words_of
from gateway.config.service import defaults
from gateway.config.spelling import near, unknown
from gateway.dialects.chat.schema import parse_chat
from gateway.dialects.embeddings.schema import parse_embeddings
from gateway.dialects.messages.schema import parse_messages
from gateway.dialects.responses.schema import parse_responses
from gateway.dialects.text.schema import parse_text
from gateway.errors import BadRequest
from gateway.keys.key_fields import NewKey, Rotation
from gateway.keys.teams import NewTeam
from gateway.mcp.tools import TOOLS

PRODUCT: dict[str, Any] = {"name": "Mug", "price": {"amount": 5}, "category": {"path": ["home"]}}
CHAT: dict[str, Any] = {"model": "gpt-4", "messages": [{"role": "user", "content": "Hello!"}]}
A_TARGET = "must be a provider and one of its models, such as my-host/my-model"
A_TIER = "must be one of free, basic, premium or enterprise"
A_DAY = "must be a date such as 2027-12-31"
ANY_TIME = "must be a time such as 2027-01-31T00:00:00Z"


def key(body: Mapping[str, Any]) -> None:
    validated(NewKey, body)


def config(part: Mapping[str, Any]) -> None:
    parse_config({**defaults(), **part})


@pytest.mark.parametrize(
    ("parse", "body", "said"),
    [
        (key, {}, "name: is required"),
        (key, {"nam": "x", "tier": "free"}, "name: is required; nam was sent"),
        (key, {"tier": "free", "rpm": 5}, "name: is required"),
        (key, {"name": ""}, "name: must have at least 1 character; it is empty"),
        (key, {"name": "x", "rpm": 1}, "rpm: unknown field; did you mean rpm_limit?"),
        (key, {"name": "x", "rpm_limit": 1.5}, "rpm_limit: must be a whole number; 1.5 was sent"),
        (key, {"name": "x", "scopes": []}, "scopes: must have at least 1 item"),
        (key, {"name": "x", "metadata": []}, "metadata: must be an object; a list was sent"),
        (key, {"name": "x", "expires": "tomorrow"}, f"expires: {ANY_TIME}"),
        (key, {"name": "x", "expires": "9999-01-01T00:00:00Z"}, "expires: must be between 2020 and 2200"),
        (
            key,
            {"name": "x", "tier": "gold"},
            f"tier: {A_TIER}; 'gold' was sent",
        ),
        (parse_new, PRODUCT | {"price": 5}, "price: must be an object; 5 was sent"),
        (parse_new, PRODUCT | {"category": "home"}, "category: must be an object; text was sent"),
        (parse_new, PRODUCT | {"images": "a"}, "images: must be a list; text was sent"),
        (parse_chat, CHAT | {"messages": []}, "messages: must have at least 1 item"),
        (parse_chat, CHAT | {"temperature": 9}, "temperature: must be at most 2; 9 was sent"),
        (parse_chat, CHAT | {"stream": "yes"}, "stream: must be true or false; text was sent"),
        (config, {"models": {"x": {"target": "m"}}}, f"models.x.target: {A_TARGET}"),
        (config, {"prices": {"m": {"input": 1, "output": 1}}}, f"prices.m: {A_TARGET}"),
        (
            config,
            {"models": {"my model": {"target": "openai/gpt-4"}}},
            "models.my model: must be letters, digits and . _ : / @ -, a letter or digit first, at most 128",
        ),
        (
            config,
            {"vendors": {"My_Host": {"baseUrl": "https://host.example/v1"}}},
            "vendors.My_Host: must be small letters, digits and hyphens, a letter first, at most 31",
        ),
        (
            config,
            {"vendors": {"x": {"baseUrl": "https://host.example/v1", "secret": "a/b"}}},
            "vendors.x.secret: must be letters, digits, hyphens and underscores, a letter or digit first, at most 63",
        ),
        *[
            (
                config,
                {"prices": {"openai/m": {"input": 1, "output": 1, "ends": ends}}},
                f"prices.openai/m.ends: {A_DAY}",
            )
            for ends in ("soon", "2027-13-01", 20271231, "2027-12-31T10:00:00Z", True)
        ],
        (
            config,
            {"rateLimits": {"gold": {}}},
            f"rateLimits.gold: {A_TIER}; 'gold' was sent",
        ),
    ],
)
def test_a_reason_speaks_of_json(parse: Callable[[Any], object], body: Any, said: str) -> None:
    with pytest.raises(BadRequest) as refused:
        parse(body)
    assert refused.value.message == said
    assert refused.value.param == said.partition(":")[0]


def test_a_misspelt_name_is_told_what_was_meant() -> None:
    assert near("requestPerMinute", ["requestsPerMinute", "requestsPerHour"]) == "requestsPerMinute"
    assert near("requests_per_minute", ["requestsPerMinute", "burst"]) == "requestsPerMinute"
    assert near("rpm", ["rpm_limit", "tpm_limit"]) == "rpm_limit"
    assert near("r", ["rpm_limit", "rph_limit"]) == ""
    assert unknown("colour", ["size", "weight"]) == "unknown field; known are size, weight"
    assert unknown("colour", [f"field{number}" for number in range(40)]) == "unknown field"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            {"vendors": {"x": {"baseUrls": "https://h.example"}}},
            "vendors.x.baseUrls: unknown field; did you mean baseUrl?",
        ),
        (
            {"models": {"a": {"target": "openai/m", "region": ["eu-central-1"]}}},
            "models.a.region: unknown field; did you mean regions?",
        ),
        (
            {"timeouts": {"totalSeconds": 4}},
            "timeouts.totalSeconds: unknown field; known are connectMs, firstByteMs, idleMs, totalMs",
        ),
    ],
)
def test_the_fields_of_the_part_are_told_where_the_unknown_one_stands(body: Any, said: str) -> None:
    with pytest.raises(BadRequest) as refused:
        config(body)
    assert refused.value.message == said


@pytest.mark.parametrize("sent", ["sk-abc", "my secret plan", "x" * 25, "password1", "Schlüssel"])
def test_what_may_be_a_secret_or_a_sentence_is_not_repeated(sent: str) -> None:
    with pytest.raises(BadRequest) as refused:
        key({"name": "x", "tier": sent})
    assert refused.value.message == "tier: must be one of free, basic, premium or enterprise"


def _below(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for each in model.__subclasses__():
        yield each
        yield from _below(each)


def test_a_regular_expression_of_a_field_has_words() -> None:
    """The patterns of every model that has been loaded here. The parsers below load every model that judges what a
    caller sends."""
    said = set()
    for model in _below(BaseModel):
        if not model.__module__.startswith("gateway."):
            continue
        try:
            said |= set(re.findall(r'"pattern": ("(?:[^"\\\\]|\\\\.)*")', json.dumps(model.model_json_schema())))
        except PydanticInvalidForJsonSchema:
            continue
    patterns = {json.loads(text) for text in said}
    assert len(patterns) > 8
    assert {each for each in patterns if words_of(each) is None} == set()


MESSAGE = {"role": "user", "content": [{"type": "text", "text": "Hello!"}]}
TURN = {"model": "claude-haiku", "max_tokens": 9, "messages": [MESSAGE], "tools": [{"name": "f", "input_schema": {}}]}
PARSERS: list[tuple[Callable[[Any], object], dict[str, Any]]] = [
    (parse_chat, CHAT | {"messages": [MESSAGE], "tags": ["a"], "mcpContext": {"productIds": ["a"], "filters": {}}}),
    (parse_messages, TURN),
    (parse_responses, {"model": "gpt-4", "input": [MESSAGE], "tools": [{"type": "function", "name": "f"}]}),
    (parse_embeddings, {"model": "titan", "input": ["a"], "dimensions": 256}),
    (parse_text, {"model": "gpt-4", "prompt": "a", "max_tokens": 4, "stop": ["b"], "tags": ["a"]}),
    (key, {"name": "x", "scopes": ["models"], "model_limits": {"gpt-4": {"rpm_limit": 4}}, "metadata": {"a": "b"}}),
    (lambda body: validated(NewTeam, body), {"id": "blue", "name": "Blue", "max_budget": 5, "shadow": ["budget"]}),
    (lambda body: validated(Rotation, body), {"overlap_hours": 4}),
    (lambda body: validated(NewCorrection, body), {"key": "a" * 12, "amount": 1, "reason": "r", "date": "2026-11-24"}),
    (lambda body: validated(Action, body), {"action": "open", "providers": ["openai"], "breakers": []}),
    (parse_fields, PRODUCT | {"rating": {"average": 4, "count": 2}, "images": ["https://a.example/b"], "tags": ["a"]}),
    (parse_new, PRODUCT | {"id": "a", "specifications": {"a": "b"}}),
    (config, {"models": {"a": {"target": "openai/gpt-4"}}, "timeouts": {"totalMs": 5000}}),
    (config, {"vendors": {"h": {"baseUrl": "https://h.example/v1", "passFields": ["a"]}}}),
    (config, {"prices": {"h/m": {"input": 1, "output": 2, "ends": "2027-12-31", "capabilities": ["tools"]}}}),
    *[(lambda body, tool=tool: validated(tool.arguments, body), {"query": "a", "limit": 4}) for tool in TOOLS.values()],
]
FORBIDDEN = re.compile(
    r"value error|extra inputs|input should|should be|should have|permitted|pydantic|validation error|type=|"
    r"unable to parse|instance of|dictionary|\bstring\b|\btuple\b|(?-i:\b(?:None|True|False)\b)|"
    r"\^\[|\]\{|\\x|\(s\)|\bint\b",
    re.IGNORECASE,
)
NEARLY = st.sampled_from(["^[a-z]$", "", "a b", "\x00", "x" * 300, "\ud800", "2026-11-24", "model", "free"])
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | NEARLY,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NEARLY, inner, max_size=3),
    max_leaves=4,
)


def mutated(value: Any, draw: Callable[[st.SearchStrategy[Any]], Any]) -> Any:
    """A JSON value with one part replaced, added or taken away."""
    at = draw(st.sampled_from(["here", "add", "drop", "below", "below", "below"]))
    if isinstance(value, dict):
        if at == "add":
            return {**value, draw(st.sampled_from(["unknown", "modle", "", "a.b", "stream"])): draw(ANY)}
        if value and at != "here":
            name = draw(st.sampled_from(sorted(value)))
            rest = {each: value[each] for each in value if each != name}
            return rest if at == "drop" else {**value, name: mutated(value[name], draw)}
    if isinstance(value, list) and value and at != "here":
        return [*value[:-1], mutated(value[-1], draw)] if at == "below" else value * draw(st.sampled_from([0, 3, 150]))
    return draw(ANY)


def refusal(parse: Callable[[Any], object], body: Any) -> tuple[str, str]:
    """The message and the path with which a body is refused; nothing for a body that is accepted."""
    try:
        parse(body)
    except BadRequest as refused:
        return refused.message, refused.param or ""
    return "", ""


@settings(max_examples=400, deadline=None)
@given(st.data(), st.sampled_from(PARSERS))
def test_no_reason_speaks_pydantics_language(
    data: st.DataObject, tried: tuple[Callable[[Any], object], dict[str, Any]]
) -> None:
    parse, body = tried
    wrong = mutated(body, data.draw)
    if not isinstance(wrong, dict):
        return  # every door refuses it earlier
    message, param = refusal(parse, wrong)
    said = message.removeprefix(param)  # names in a path are the caller's
    assert not FORBIDDEN.search(said), message
    assert "x" * 30 not in said
