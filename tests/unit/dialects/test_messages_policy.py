"""The fields of a Messages request that may leave: each one that Anthropic's package knows, and betas together with
their fields."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.dialects.messages.betas import betas_of
from gateway.dialects.messages.policy import DOCUMENTED, REFUSED, check_fields
from gateway.dialects.messages.same import native_body
from gateway.dialects.pairs import pair
from gateway.dialects.unsupported import Unsupported
from gateway.dialects.written import Asked
from gateway.errors import BadRequest
from gateway.models.vendors import Quirks
from tests.unit.dialects.sent import HI, to_invoke
from tests.upstream.messages_judge import documented_fields

BODY: dict[str, Any] = {"model": "m", "max_tokens": 9, "messages": [HI]}
OF_HEADERS = {"betas"}
EFFORT = {"output_config": {"effort": "low"}}
STRICT = {"tools": [{"name": "f", "input_schema": {"type": "object"}, "strict": True}]}
AGENT = "claude-code-20250219"
INTERLEAVED = "interleaved-thinking-2025-05-14"


def refusal(body: dict[str, Any], passed: frozenset[str] | None = None) -> str | None:
    try:
        check_fields(BODY | body, passed)
    except BadRequest as refused:
        told = refused.code == "unsupported_parameter" and refused.message.startswith(f"{refused.param}: ")
        return refused.param if told else str(refused)
    return None


def test_each_field_of_anthropics_package_is_one_or_the_other() -> None:
    known = documented_fields() - OF_HEADERS
    assert known - set(REFUSED) == DOCUMENTED
    assert not DOCUMENTED & set(REFUSED)


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_a_refused_field_is_refused_in_any_case_and_by_any_value(name: str) -> None:
    assert refusal({name: 0}) == name
    assert refusal({name.title(): {}}) == name.title()
    assert refusal({name: None}) is None


def test_what_nobody_knows_passes_where_the_host_takes_all() -> None:
    assert refusal({"something_new": 1}) is None
    assert refusal({"something_new": 1}, frozenset()) == "something_new"
    assert refusal({"something_new": 1}, frozenset({"something_new"})) is None
    assert refusal({"MAX_TOKENS": 1}) == "MAX_TOKENS"


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"tools": [{"name": "f", "model": "x"}]}, "tools[0].model"),
        ({"tools": [{"type": 5}]}, "tools[0].type"),
        ({"context_management": {"edits": [5]}}, "context_management.edits[0].type"),
        ({"context_management": {"edits": {"type": "compact"}}}, "context_management.edits"),
        ({"context_management": {"edits": [], "made_tomorrow": {"type": "x"}}}, "context_management.made_tomorrow"),
        ({"system": [{"type": "text", "text": "a"}, {"type": "container_upload"}]}, "system[1].type"),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "new", "source": {"type": "base64", "file_id": "f"}}]}
                ]
            },
            "messages[0].content[0].source",
        ),
        (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [
                            {
                                "type": "document",
                                "source": {
                                    "type": "content",
                                    "content": [{"type": "image", "source": {"type": "file"}}],
                                },
                            }
                        ],
                    }
                ]
            },
            "messages[0].content[0].source.content[0].source",
        ),
    ],
)
def test_what_is_refused_inside(body: dict[str, Any], path: str) -> None:
    assert refusal(body) == path


def test_the_body_that_leaves_is_the_clients_but_for_the_cap_and_delivery() -> None:
    given = json.loads(json.dumps(BODY | {"stream": True, "betas": ["x"], "anthropic_version": "v", "top_k": None}))
    before, dropped = json.dumps(given), []  # type: ignore[var-annotated]
    assert native_body(given, dropped, cap=5) == {"messages": [HI], "max_tokens": 5}
    assert (json.dumps(given), dropped) == (before, [])


def test_thinking_gives_way_to_a_cap_below_its_least() -> None:
    dropped: list[str] = []
    body = BODY | {"max_tokens": 5_000, "thinking": {"type": "enabled", "budget_tokens": 2_000}}
    assert "thinking" not in native_body(body, dropped, cap=1_000)
    assert dropped == ["thinking"]
    wrong = BODY | {"max_tokens": 1_000, "thinking": {"type": "enabled", "budget_tokens": 2_000}}
    assert native_body(wrong, [], cap=1_000)["thinking"] == wrong["thinking"], (
        "the client's own fault is told by the host"
    )


def test_betas_are_named_once_and_nothing_else() -> None:
    assert betas_of(" a-1, b ,, a-1,X,\r\n", {"betas": ["c", 5], "anthropic_beta": ["b", "d"]}) == [
        "a-1",
        "b",
        "c",
        "d",
    ]
    assert betas_of(None, {}) == []


@pytest.mark.parametrize(
    ("model", "header", "body", "betas", "dropped"),
    [
        ("opus-4-5", None, EFFORT, ["effort-2025-11-24"], []),
        ("opus-4-7", "effort-2025-11-24", EFFORT, None, ["anthropic-beta.effort-2025-11-24"]),
        ("sonnet-4-20250514-v1:0", None, EFFORT, None, ["output_config.effort"]),
        (
            "opus-4-7",
            f"{AGENT},oauth-2025-04-20",
            {},
            None,
            [f"anthropic-beta.{AGENT}", "anthropic-beta.oauth-2025-04-20"],
        ),
        ("sonnet-4-5-20250929-v1:0", INTERLEAVED, {}, [INTERLEAVED], []),
        ("opus-4-6-v1", INTERLEAVED, {}, [INTERLEAVED], []),
        ("sonnet-4-20250514-v1:0", INTERLEAVED, {}, [INTERLEAVED], []),
        ("opus-4-7", INTERLEAVED, {}, None, [f"anthropic-beta.{INTERLEAVED}"]),
        ("opus-4-8", INTERLEAVED, {}, None, [f"anthropic-beta.{INTERLEAVED}"]),
        ("sonnet-5-5", INTERLEAVED, {}, None, [f"anthropic-beta.{INTERLEAVED}"]),
        ("opus-5", "computer-use-2025-11-24", {}, ["computer-use-2025-11-24"], []),
        ("sonnet-4-20250514-v1:0", None, STRICT, None, ["tools[0].strict"]),
        ("sonnet-4-5-20250929-v1:0", "context-1m-2025-08-07", {}, None, ["anthropic-beta.context-1m-2025-08-07"]),
    ],
)
def test_a_beta_goes_with_its_field(
    model: str, header: str | None, body: dict[str, Any], betas: list[str] | None, dropped: list[str]
) -> None:
    given = BODY | body
    before = json.dumps(given)
    sent = to_invoke(given, model=f"us.anthropic.claude-{model}", beta=header)
    assert sent.body.get("anthropic_beta") == betas
    assert sent.dropped == dropped
    assert json.dumps(given) == before, "what the client sent is not changed"
    for path in dropped:
        assert path.partition(".")[2] not in sent.body.get("output_config", {})


def test_what_stands_at_an_address_is_not_for_invoke_model() -> None:
    image = {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}
    with pytest.raises(Unsupported) as refused:
        to_invoke(BODY | {"messages": [{"role": "user", "content": [image]}]})
    assert refused.value.param == "messages[0].content[0].source"
    part = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    asked = Asked({"messages": [{"role": "user", "content": [part]}]}, "m", 9, quirks=Quirks(betas_in_body=True))
    with pytest.raises(Unsupported) as refused:
        pair("chat", "messages").request(asked)
    assert refused.value.param == "messages[0].content[0].image_url"


def test_a_thread_is_refused_in_the_words_that_send_the_whole_conversation_instead() -> None:
    with pytest.raises(BadRequest) as refused:
        check_fields({"thread": {"type": "create"}}, None)
    assert refused.value.details["details"]["error_code"] == "thread_unsupported_request"
