"""Requests of Responses for the rows of docs/dialects.md's table, and the fate of each on its way to each target."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from gateway.dialects.neutral import Reasoning, Redacted
from gateway.dialects.responses.thoughts import packed
from tests.unit.dialects.responses_sent import Marked, MarkedForAnHour, Storable
from tests.unit.dialects.table_messages import Check, Fate, Found, dropped, ignored, passed, refused, translated

PDF, PNG = "data:application/pdf;base64,JVBERi0=", "data:image/png;base64,iVBORw0KGgo="
FUNCTION = {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}, "strict": False}
CUSTOM = {
    "type": "custom",
    "name": "apply_patch",
    "description": "Patches.",
    "format": {"type": "grammar", "syntax": "lark", "definition": "start: x"},
}
SPACE = {"type": "namespace", "name": "mcp__files__", "description": "Files.", "tools": [{**FUNCTION, "name": "read"}]}
CALL = {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": '{"a":1}'}
DONE = {"type": "function_call_output", "call_id": "call_1", "output": "done"}
USER = {"role": "user", "content": "hi"}
CLOSED = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
SEALED = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAAABx"}
SIGNED = {"type": "reasoning", "summary": [], "encrypted_content": packed(Reasoning("hm", "c2ln"))}
HIDDEN = {"type": "reasoning", "summary": [], "encrypted_content": packed(Redacted("c2Vj"))}
PLAIN = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]}
_ALL = ("Responses", "Messages", "chat", "Converse")


def said(**fields: Any) -> dict[str, Any]:
    return {"model": "m", "input": "hi", **fields}


def items(*given: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return said(input=[USER, *given], **fields)


def content(*parts: dict[str, Any]) -> dict[str, Any]:
    return said(input=[{"role": "user", "content": [*parts, {"type": "input_text", "text": "look"}]}])


def loop(*between: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return items(*between, CALL, DONE, **{"tools": [FUNCTION], **fields})


def same(body: Mapping[str, Any], *names: str) -> Fate:
    return passed(lambda found: all(found.get(name) == body[name] for name in names))


def holds(*words: str) -> Check:
    return lambda found: all(word in json.dumps(found, ensure_ascii=False) for word in words)


def lacks(word: str) -> Check:
    return lambda found: word not in json.dumps(found, ensure_ascii=False)


def others(fate: Fate) -> dict[str, Fate]:
    return dict.fromkeys(("Messages", "chat", "Converse"), fate)


def anywhere(path: str) -> dict[str, Fate]:
    return dict.fromkeys(_ALL, refused(path))


def each(body: dict[str, Any], *names: str, **fates: Fate) -> tuple[dict[str, Any], dict[str, Fate]]:
    """Passed unchanged to an endpoint of its own kind; `fates` are given by target, or for all others at once."""
    rest = others(fates.pop("rest")) if "rest" in fates else {}
    return body, {"Responses": same(body, *names), **rest, **fates}


def choice(value: Any, **fates: Fate) -> tuple[dict[str, Any], dict[str, Fate]]:
    return each(said(tools=[FUNCTION], tool_choice=value), "tool_choice", **fates)


def _caps(found: Found) -> list[Any]:
    named = [found.get(name) for name in ("max_output_tokens", "max_completion_tokens", "max_tokens")]
    return [*named, found.get("inferenceConfig", {}).get("maxTokens")]


_DEVELOPER = said(instructions="be", input=[{"role": "developer", "content": "brief"}, USER])
_YES = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_text", "text": "yes", "annotations": []}],
}
_LATE = items(_YES, {"role": "developer", "content": "now"}, USER)
_IMAGE = content({"type": "input_image", "image_url": PNG, "detail": "auto"})
_LINK = content({"type": "input_image", "image_url": "https://example.com/a.png", "detail": "auto"})
_FILE = content({"type": "input_file", "filename": "a.pdf", "file_data": PDF})
_SHOWN = [{"type": "input_text", "text": "done"}, {"type": "input_image", "image_url": PNG, "detail": "auto"}]
_PICTURE = items(CALL, {**DONE, "output": _SHOWN}, tools=[FUNCTION])
_PATCHED = {"type": "custom_tool_call", "call_id": "call_1", "name": "apply_patch", "input": "*** x"}
_PATCH = items(_PATCHED, {"type": "custom_tool_call_output", "call_id": "call_1", "output": "ok"}, tools=[CUSTOM])
_SHELL = items(
    {
        "type": "local_shell_call",
        "id": "lsh_1",
        "call_id": "call_1",
        "status": "completed",
        "action": {"type": "exec", "command": ["ls"], "env": {}},
    },
    {"type": "local_shell_call_output", "id": "call_1", "output": "a.txt"},
)
_SCHEMA = said(text={"format": {"type": "json_schema", "name": "n", "schema": CLOSED, "strict": True}})
_JSON = said(text={"format": {"type": "json_object"}})
_EFFORT = said(reasoning={"effort": "low", "summary": "auto"})
_NAMED = {"type": "function", "function": {"name": "f"}}
_SEARCHED = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "x"}}
_GONE = items(_SEARCHED)
_OFFER = said(tools=[{"type": "web_search"}, FUNCTION])
_FOUND = items(
    {"type": "additional_tools", "role": "developer", "tools": [{**FUNCTION, "name": "g"}]},
)

Trial = tuple[dict[str, Any], dict[str, Fate]]
TRIALS: dict[str, list[Trial]] = {
    "`input` as text, `message` items": [each(said(), "input", rest=translated(holds("hi")))],
    "`instructions`, `system` and `developer` messages in front": [
        each(_DEVELOPER, "instructions", "input", rest=translated(holds("be", "brief")))
    ],
    "one that stands behind another message": [each(_LATE, "input", rest=dropped("input[2].role", check=holds("now")))],
    "images as data": [each(_IMAGE, "input", rest=translated(holds("iVBORw0KGgo=")))],
    "images at an address": [
        each(
            _LINK,
            "input",
            Messages=translated(holds("https://example.com/a.png")),
            chat=translated(holds("https://example.com/a.png")),
            Converse=refused("input[0].content[0].image_url"),
        )
    ],
    "files as data": [each(_FILE, "input", rest=translated(holds("JVBERi0=")))],
    "files and images by `file_id`, `item_reference`": [
        (
            content({"type": "input_image", "file_id": "file_1", "detail": "auto"}),
            anywhere("input[0].content[0].file_id"),
        ),
        (content({"type": "input_file", "file_id": "file_1"}), anywhere("input[0].content[0].file_id")),
        (items({"type": "item_reference", "id": "msg_1"}), anywhere("input[1].type")),
    ],
    "`function_call` and its output": [each(loop(), "input", rest=translated(holds("done")))],
    "images in an output": [each(_PICTURE, "input", rest=translated(holds("done", "iVBORw0KGgo=")))],
    "a call without its output": [
        (items(CALL, USER, tools=[FUNCTION]), others(dropped("input[1]", check=holds("(no result)"))))
    ],
    "`custom` tools, their calls and outputs": [
        each(_PATCH, "input", "tools", rest=translated(holds("*** x", "ok", "start: x")))
    ],
    "`namespace` tools": [
        each(
            said(tools=[SPACE]),
            "tools",
            rest=dropped("tools[0].description", check=holds("mcp__files__read")),
        )
    ],
    "`local_shell_call` and other calls of tools that the caller runs": [
        each(_SHELL, "input", rest=translated(holds("ls", "a.txt")))
    ],
    "`additional_tools`, what a search of tools found": [each(_FOUND, "input", rest=translated(holds('"g"')))],
    "`reasoning` that the target's own model sealed": [
        each(loop(SEALED), "input", rest=dropped("input[1].encrypted_content")),
    ],
    "`reasoning` that a model signed through this gateway": [
        (
            loop(signed),
            {
                "Responses": dropped("input[1]", check=lacks("signed1")),
                "Messages": translated(holds(word)),
                "chat": dropped("input[1]"),
                "Converse": translated(holds(word)),
            },
        )
        for signed, word in ((SIGNED, "c2ln"), (HIDDEN, "c2Vj"))
    ],
    "`reasoning` that nobody signed": [
        (
            loop(PLAIN),
            {
                "Responses": dropped("input[1]"),
                "Messages": dropped("input[1]"),
                "chat": dropped("input[1]"),
                "Converse": translated(holds('"hm"')),
            },
        )
    ],
    "items of the provider's own tools": [each(_GONE, "input", rest=dropped("input[1]"))],
    "`compaction`": [
        each(items({"type": "compaction", "encrypted_content": "gAAAAABx"}), "input", rest=refused("input[1].type"))
    ],
    "`tools` of functions": [each(said(tools=[FUNCTION]), "tools", rest=translated(holds('"f"')))],
    "`web_search`, `image_generation` with own tools": [
        (_OFFER, dict.fromkeys(_ALL, dropped("tools[0]", check=lacks("web_search"))))
    ],
    "the same alone or chosen, other tools that the provider runs": [
        *(
            (said(tools=[{"type": kind}]), anywhere("tools[0].type"))
            for kind in (
                "web_search",
                "image_generation",
                "file_search",
                "code_interpreter",
                "mcp",
                "computer",
                "new_1",
            )
        ),
        (
            said(tools=[FUNCTION, {"type": "web_search"}], tool_choice={"type": "web_search_preview"}),
            anywhere("tool_choice.type"),
        ),
    ],
    "`local_shell`, `apply_patch`, `shell` on the caller's machine": [
        each(said(tools=[{"type": "local_shell"}]), "tools", rest=refused("tools[0].type")),
        each(said(tools=[{"type": "apply_patch"}]), "tools", rest=refused("tools[0].type")),
    ],
    "`tool_choice`": [
        choice(
            "auto",
            Messages=translated(holds('"auto"')),
            chat=translated(holds('"auto"')),
            Converse=translated(holds('"f"')),
        ),
        choice(
            "required",
            Messages=translated(holds('"any"')),
            chat=translated(holds('"required"')),
            Converse=translated(holds('"any"')),
        ),
        choice(
            {"type": "function", "name": "f"},
            Messages=translated(holds('"tool"')),
            chat=translated(lambda found: found["tool_choice"] == _NAMED),
            Converse=translated(holds('{"tool": {"name": "f"}}')),
        ),
        choice(
            "none",
            Messages=translated(holds('"none"')),
            chat=translated(holds('"none"')),
            Converse=translated(lacks("toolConfig")),
        ),
    ],
    "`tool_choice` among some": [
        each(
            said(
                tools=[FUNCTION, {**FUNCTION, "name": "other"}],
                tool_choice={"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}]},
            ),
            "tools",
            "tool_choice",
            rest=translated(lacks('"other"')),
        )
    ],
    "`parallel_tool_calls` false": [
        each(
            said(tools=[FUNCTION], parallel_tool_calls=False),
            "parallel_tool_calls",
            Messages=translated(holds("disable_parallel_tool_use")),
            chat=translated(lambda found: found["parallel_tool_calls"] is False),
            Converse=translated(holds("disable_parallel_tool_use")),
        )
    ],
    "`max_output_tokens`": [
        (said(max_output_tokens=9_000), dict.fromkeys(_ALL, translated(lambda found: 4_000 in _caps(found))))
    ],
    "`reasoning.effort`": [
        each(
            said(reasoning={"effort": "low"}),
            "reasoning",
            Messages=translated(lambda found: found["output_config"] == {"effort": "low"}),
            chat=translated(lambda found: found["reasoning_effort"] == "low"),
            Converse=translated(lambda found: found["outputConfig"] == {"effort": "low"}),
        )
    ],
    "`reasoning.summary`": [
        each(
            _EFFORT,
            "reasoning",
            Messages=translated(lambda found: found["thinking"] == {"type": "adaptive", "display": "summarized"}),
            chat=ignored(lacks("summary")),
            Converse=translated(holds('"thinking": {"type": "adaptive"')),
        )
    ],
    "`reasoning` with a tool that must be called": [
        each(
            said(tools=[FUNCTION], tool_choice="required", reasoning={"effort": "low"}),
            "reasoning",
            Messages=dropped("reasoning"),
            Converse=dropped("reasoning"),
        )
    ],
    "`reasoning.mode` other than standard": [(said(reasoning={"mode": "pro"}), anywhere("reasoning.mode"))],
    "`text.format` json_schema": [
        each(
            _SCHEMA,
            "text",
            Messages=translated(holds("json_schema")),
            chat=translated(holds("json_schema")),
            Converse=translated(holds("textFormat")),
        )
    ],
    "`text.format` json_object": [
        each(
            _JSON,
            "text",
            Messages=translated(holds("one JSON object")),
            chat=translated(holds("json_object")),
            Converse=translated(holds("one JSON object")),
        )
    ],
    "`text.verbosity`": [
        each(
            said(text={"verbosity": "low"}),
            "text",
            Messages=dropped("text.verbosity"),
            chat=translated(lambda found: found["verbosity"] == "low"),
            Converse=dropped("text.verbosity"),
        )
    ],
    "`temperature`, `top_p`": [
        each(said(temperature=0.5), "temperature", rest=translated(holds("0.5"))),
    ],
    "`prompt_cache_key`, `safety_identifier`, `user`, `metadata`": [
        each(
            said(**{name: value}),
            name,
            Messages=dropped(name),
            chat=translated(lambda found, name=name, value=value: found[name] == value),  # type: ignore[misc]
            Converse=dropped(name),
        )
        for name, value in (
            ("prompt_cache_key", "k"),
            ("safety_identifier", "s"),
            ("user", "u"),
            ("metadata", {"a": "b"}),
        )
    ],
    "`prompt_cache_key`, where marks may be put": [
        (
            Marked(said(prompt_cache_key="k", instructions="Be brief.")),
            {
                "Messages": translated(
                    lambda found: (
                        found["system"][-1]["cache_control"] == {"type": "ephemeral"}
                        and found["messages"][-1]["content"][-1]["cache_control"] == {"type": "ephemeral"}
                    )
                ),
                "Converse": translated(
                    lambda found: (
                        found["system"][-1] == {"cachePoint": {"type": "default"}}
                        and found["messages"][-1]["content"][-1] == {"cachePoint": {"type": "default"}}
                    )
                ),
            },
        )
    ],
    "`prompt_cache_retention` 24h, where marks may be put": [
        (
            MarkedForAnHour(said(prompt_cache_retention="24h")),
            {"Messages": translated(holds('"ttl": "1h"')), "Converse": translated(holds('"ttl": "1h"'))},
        )
    ],
    "`include` of sealed reasoning, of results of the provider's tools": [
        each(said(include=["reasoning.encrypted_content"]), "include", rest=ignored(lacks("include")))
    ],
    "`include` of logprobs": [
        each(said(include=["message.output_text.logprobs"]), "include", rest=refused("include[0]"))
    ],
    "`top_logprobs`": [each(said(top_logprobs=2), "top_logprobs", rest=refused("top_logprobs"))],
    "`client_metadata`": [(said(client_metadata={"a": "b"}), dict.fromkeys(_ALL, dropped("client_metadata")))],
    "`truncation` auto": [each(said(truncation="auto"), "truncation", rest=dropped("truncation"))],
    "`store` true, of a key whose team allows it": [each(Storable(said(store=True)), "store", rest=dropped("store"))],
    "`store` true, of any other": [(said(store=True), dict.fromkeys(_ALL, dropped("store")))],
    "`store` false": [each(said(store=False), "store", rest=ignored(lacks("store")))],
    "`service_tier` flex": [
        each(
            said(service_tier="flex"),
            "service_tier",
            Messages=refused("service_tier"),
            chat=translated(lambda found: found["service_tier"] == "flex"),
            Converse=translated(lambda found: found["serviceTier"] == {"type": "flex"}),
        )
    ],
    "`background`, `previous_response_id`, `conversation`, `prompt`, `context_management`, `moderation`": [
        (said(**{name: value}), anywhere(name))
        for name, value in (
            ("background", True),
            ("previous_response_id", "resp_1"),
            ("conversation", "c"),
            ("prompt", {"id": "p"}),
            ("context_management", [{"type": "compaction"}]),
            ("moderation", {"model": "x"}),
        )
    ],
    "a field that nobody knows": [(said(something_new=5), others(refused("something_new")))],
}
