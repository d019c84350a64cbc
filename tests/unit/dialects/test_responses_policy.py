"""The fields of a Responses request that may leave: each one that OpenAI's package knows."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.dialects.pairs import pair
from gateway.dialects.responses.policy import DOCUMENTED, NOT_STORED, REFUSED, check_fields
from gateway.dialects.written import Asked
from gateway.errors import BadRequest
from gateway.models.vendors import Quirks
from tests.unit.dialects.table_responses import FUNCTION
from tests.upstream.responses_judge import documented_fields

BODY: dict[str, Any] = {"model": "m", "input": "hi"}


def refusal(body: dict[str, Any], passed: frozenset[str] | None = None) -> str | None:
    try:
        check_fields(BODY | body, passed)
    except BadRequest as refused:
        return refused.param
    return None


def test_each_field_of_the_package_is_one_or_the_other() -> None:
    assert documented_fields() - set(REFUSED) == DOCUMENTED
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
    assert refusal({"INPUT": 1}) == "INPUT"


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"tools": [{**FUNCTION, "model": "x"}]}, "tools[0].model"),
        ({"tools": [{"type": 5}]}, "tools[0].type"),
        ({"tools": [{"type": "shell", "environment": {"type": "container_auto"}}]}, "tools[0].type"),
        ({"tools": [{"type": "tool_search"}]}, "tools[0].type"),
        ({"tools": [{"type": "namespace", "name": "n", "tools": [{"type": "mcp"}]}]}, "tools[0].tools[0].type"),
        ({"tool_choice": {"type": "allowed_tools", "tools": [{"type": "mcp"}]}}, "tool_choice.tools[0].type"),
        ({"reasoning": {"model": "x"}}, "reasoning.model"),
        ({"prompt_cache_options": {"comparison_response_id": "resp_1"}}, "prompt_cache_options.comparison_response_id"),
        ({"input": [{"type": "compaction_trigger"}]}, "input[0].type"),
        ({"input": [{"id": "msg_1"}]}, "input[0].type"),
        (
            {"input": [{"type": "function_call_output", "call_id": "c", "output": [{"file_id": "f"}]}]},
            "input[0].output[0].file_id",
        ),
        ({"input": [{"type": "computer_call_output", "output": {"file_id": "f"}}]}, "input[0].output.file_id"),
        ({"input": [{"type": "additional_tools", "tools": [{"type": "mcp"}]}]}, "input[0].tools[0].type"),
        (
            {
                "input": [
                    {"role": "user", "content": [{"type": "input_text", "prompt_cache_breakpoint": {"ttl": "12h"}}]}
                ]
            },
            "input[0].content[0].prompt_cache_breakpoint.ttl",
        ),
    ],
)
def test_what_is_refused_inside(body: dict[str, Any], path: str) -> None:
    assert refusal(body) == path


@pytest.mark.parametrize(
    "tool",
    [
        FUNCTION,
        {"type": "shell", "environment": {"type": "local"}},
        {"type": "tool_search", "execution": "client"},
        {"type": "apply_patch"},
    ],
)
def test_tools_that_the_caller_runs_pass(tool: dict[str, Any]) -> None:
    assert refusal({"tools": [tool, {"type": "web_search"}]}) is None


def test_an_earlier_response_is_answered_with_what_to_do_instead() -> None:
    with pytest.raises(BadRequest) as told:
        check_fields(BODY | {"previous_response_id": "resp_1"}, None)
    assert (told.value.status, told.value.code) == (400, "previous_response_not_found")
    assert told.value.message == f"previous_response_id: Previous response with id 'resp_1' not found. {NOT_STORED}"


def test_the_body_that_leaves_is_the_client_s_but_for_what_is_enforced() -> None:
    given = json.loads(json.dumps(BODY | {"stream": True, "store": True, "user": None, "truncation": "auto"}))
    before = json.dumps(given)
    asked = Asked(given, "theirs", 5, streamed=True, quirks=Quirks(passes_all=True, service_tier="default"))
    written = pair("responses", "responses").request(asked)
    enforced = {"model": "theirs", "max_output_tokens": 5, "store": False, "stream": True, "service_tier": "default"}
    assert written.body == {"input": "hi", "truncation": "auto"} | enforced
    assert (json.dumps(given), written.dropped) == (before, ["store"])
    stored = pair("responses", "responses").request(replace(asked, may_store=True))
    assert (stored.body, stored.dropped) == (written.body | {"store": True}, [])
    silent = replace(asked, body=BODY, may_store=True)
    assert pair("responses", "responses").request(silent).body["store"] is False


def test_reasoning_that_nobody_keeps_leaves_with_the_ids_that_would_ask_for_it() -> None:
    items: list[dict[str, Any]] = [
        {"role": "user", "content": "hi"},
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": "{}"},
    ]
    written = pair("responses", "responses").request(
        Asked(BODY | {"input": items}, "m", 5, quirks=Quirks(passes_all=True))
    )
    assert written.body["input"] == [items[0], {name: each for name, each in items[2].items() if name != "id"}]
    assert written.dropped == ["input[1]"]


def test_what_an_agent_notes_of_itself_and_ids_of_what_its_user_said_stay_here() -> None:
    said = {"type": "message", "id": "msg_1", "role": "user", "content": "hi"}
    answered = {**said, "role": "assistant", "content": [{"type": "output_text", "text": "ho", "annotations": []}]}
    given = BODY | {"input": [said, answered], "client_metadata": {"session_id": "s"}}
    written = pair("responses", "responses").request(Asked(given, "m", 5, quirks=Quirks()))
    bare = {name: value for name, value in said.items() if name != "id"}
    assert written.body["input"] == [bare, answered]
    assert "client_metadata" not in written.body
    assert written.dropped == ["client_metadata"]
