"""Requests of Messages for the rows of docs/dialects.md's table, and the fate of each on its way to each target."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.dialects.chat.sending import FAILED
from gateway.dialects.conversation import NO_MESSAGE, NO_RESULT
from tests.unit.dialects.sent import HI

PDF, PNG = "JVBERi0=", "iVBORw0KGgo="
TOOL = {"name": "f", "input_schema": {"type": "object", "properties": {}}}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}}
DONE = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "done"}
KEPT = {"cache_control": {"type": "ephemeral"}}
HOUR = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
CLOSED = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}

Found = dict[str, Any]
Check = Callable[[Found], Any]


@dataclass(frozen=True)
class Fate:
    """`word` is the table's own; `paths` are the fields that are named or refused; `check` judges the body that
    leaves."""

    word: str
    paths: tuple[str, ...] = ()
    check: Check = bool


def passed(check: Check = bool) -> Fate:
    return Fate("passed", check=check)


def translated(check: Check) -> Fate:
    return Fate("translated", check=check)


def ignored(check: Check = bool) -> Fate:
    return Fate("ignored", check=check)


def dropped(*paths: str, check: Check = bool) -> Fate:
    return Fate("dropped", paths, check)


def refused(path: str) -> Fate:
    return Fate("refused", (path,))


def said(**fields: Any) -> dict[str, Any]:
    return {"model": "m", "max_tokens": 2_000, "messages": [HI], **fields}


def turns(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return said(messages=list(messages), **fields)


def user(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def text(words: str = "a", **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **more}


def file(kind: str, **source: Any) -> dict[str, Any]:
    return {"type": kind, "source": source}


def content(*blocks: dict[str, Any]) -> dict[str, Any]:
    return turns(user(*blocks, text("look")))


def loop(result: dict[str, Any], *before: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return turns(HI, assistant(*before, CALL), user(result), **{"tools": [TOOL], **fields})


def same(body: Mapping[str, Any], *names: str) -> Check:
    return lambda found: all(found.get(name) == body[name] for name in names)


def last(found: Found) -> Any:
    return found["messages"][-1]["content"]


_SYSTEM = said(system=[text("be", **HOUR), text("brief")])
_MIDDLE = turns(HI, assistant(text("yes")), {"role": "system", "content": "now"}, HI)
_MARKED = content(text("kept", **KEPT))
_TOP = said(**HOUR)
_MARKS = said(
    tools=[{**TOOL, **HOUR}],
    messages=[HI, assistant(CALL), user({**DONE, **KEPT}, text())],
)
_INNER = loop({**DONE, "content": [text("done", **KEPT)]})
_IMAGE = content(file("image", type="base64", media_type="image/png", data=PNG))
_IMAGE_URL = content(file("image", type="url", url="https://example.com/a.png"))
_PDF = content({**file("document", type="base64", media_type="application/pdf", data=PDF), "title": "a report"})
_PLAIN = content(file("document", type="text", media_type="text/plain", data="words"))
_PARTS = content({**file("document", type="content", content=[text("one")]), "title": "two"})
_PDF_URL = content(file("document", type="url", url="https://example.com/a.pdf"))
_CITED = content(
    {**file("document", type="text", media_type="text/plain", data="words"), "citations": {"enabled": True}}
)
_SEARCH = content({"type": "search_result", "source": "s", "title": "t", "content": [text("c")]})
_CITATION = {
    "type": "char_location",
    "cited_text": "w",
    "document_index": 0,
    "document_title": None,
    "start_char_index": 0,
    "end_char_index": 1,
}
_CITES = turns(HI, assistant(text("w", citations=[_CITATION])), HI)
_CALLS = loop(DONE)
_FAILS = loop({**DONE, "is_error": True})
_PICTURE = loop({**DONE, "content": [text("done"), file("image", type="base64", media_type="image/png", data=PNG)]})
_THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "c2ln"}
_THINKS = loop(DONE, _THOUGHT, thinking={"type": "enabled", "budget_tokens": 1_024})
_SECRET = loop(DONE, {"type": "redacted_thinking", "data": "c2Vj"})
_ADAPTIVE = said(thinking={"type": "adaptive"})
_OFF = said(thinking={"type": "disabled"})
_EFFORT = said(output_config={"effort": "low"})
_MOST = said(output_config={"effort": "max"})
_FORMAT = said(output_config={"format": {"type": "json_schema", "schema": CLOSED}})
_OPEN = said(output_config={"format": {"type": "json_schema", "schema": {"type": "object"}}})
_CHOICES = [said(tools=[TOOL], tool_choice={"type": kind}) for kind in ("auto", "any")]
_ONE = said(tools=[TOOL], tool_choice={"type": "tool", "name": "f"})
_NONE = said(tools=[TOOL], tool_choice={"type": "none"})
_ALONE = said(tools=[TOOL], tool_choice={"type": "auto", "disable_parallel_tool_use": True})
_STRICT = said(tools=[{**TOOL, "strict": True}])
_LONG = said(tools=[{**TOOL, "name": "f" * 100}])
_EXAMPLES = said(tools=[{**TOOL, "input_examples": [{}]}])
_STOP, _WARM, _TOP_K = said(stop_sequences=["END"]), said(temperature=0.5), said(top_k=5)
_WHO = said(metadata={"user_id": "u-1"})
_TIER = said(service_tier="standard_only")
_CLEAR = said(context_management={"edits": [{"type": "clear_tool_uses_20250919"}]})
_ASKS = said(diagnostics={"previous_message_id": "msg_1"})
_HALF = said(max_tokens=9_000, thinking={"type": "enabled", "budget_tokens": 5_000})
_LEFT = turns(HI, assistant(CALL), user(text("no matter")), tools=[TOOL])


def _caps(found: Found) -> list[Any]:
    return [*(found.get(name) for name in ("max_tokens", "max_completion_tokens")), _inference(found).get("maxTokens")]


def _inference(found: Found) -> Found:
    return dict(found.get("inferenceConfig", {}))


def _anywhere(path: str) -> dict[str, Fate]:
    return dict.fromkeys(("Messages", "InvokeModel", "chat", "Converse"), refused(path))


def _untouched(body: Mapping[str, Any], *names: str) -> dict[str, Fate]:
    return dict.fromkeys(("Messages", "InvokeModel"), passed(same(body, *names)))


# By row: a body, and its fate by target.
TRIALS: dict[str, list[tuple[dict[str, Any], dict[str, Fate]]]] = {
    "`system` as text or blocks": [
        (
            said(system=[text("be"), text("brief")]),
            {
                **_untouched(said(system=[text("be"), text("brief")]), "system", "messages"),
                "chat": translated(lambda found: found["messages"][0]["content"] == "be\n\nbrief"),
                "Converse": translated(lambda found: found["system"] == [{"text": "be"}, {"text": "brief"}]),
            },
        )
    ],
    "`system` turns between others": [
        (
            _MIDDLE,
            {
                **_untouched(_MIDDLE, "messages"),
                "chat": dropped("messages[2].role", check=lambda found: found["messages"][0]["content"] == "now"),
                "Converse": dropped("messages[2].role", check=lambda found: found["system"] == [{"text": "now"}]),
            },
        )
    ],
    "`cache_control` with its `ttl`, wherever it stands": [
        (
            _SYSTEM,
            {
                **_untouched(_SYSTEM, "system"),
                "chat": dropped("system[0].cache_control"),
                "Converse": translated(
                    lambda found: found["system"][1] == {"cachePoint": {"type": "default", "ttl": "1h"}}
                ),
            },
        ),
        (
            _MARKED,
            {
                **_untouched(_MARKED, "messages"),
                "chat": dropped("messages[0].content[0].cache_control"),
                "Converse": translated(lambda found: last(found)[1] == {"cachePoint": {"type": "default"}}),
            },
        ),
        (
            _TOP,
            {
                **_untouched(_TOP, "cache_control"),
                "chat": dropped("cache_control"),
                "Converse": translated(
                    lambda found: last(found)[1] == {"cachePoint": {"type": "default", "ttl": "1h"}}
                ),
            },
        ),
        (
            _MARKS,
            {
                **_untouched(_MARKS, "messages", "tools"),
                "chat": dropped("tools[0].cache_control", "messages[2].content[0].cache_control"),
                "Converse": translated(
                    lambda found: (
                        list(found["toolConfig"]["tools"][1]) == ["cachePoint"]
                        and list(last(found)[1]) == ["cachePoint"]
                    )
                ),
            },
        ),
        (
            _INNER,
            {
                **_untouched(_INNER, "messages"),
                "chat": dropped("messages[2].content[0].content[0].cache_control"),
                "Converse": translated(lambda found: list(last(found)[1]) == ["cachePoint"]),
            },
        ),
    ],
    "images as base64": [
        (
            _IMAGE,
            {
                **_untouched(_IMAGE, "messages"),
                "chat": translated(
                    lambda found: last(found)[0]["image_url"] == {"url": f"data:image/png;base64,{PNG}"}
                ),
                "Converse": translated(
                    lambda found: last(found)[0]["image"] == {"format": "png", "source": {"bytes": PNG}}
                ),
            },
        )
    ],
    "images at an address": [
        (
            _IMAGE_URL,
            {
                "Messages": passed(same(_IMAGE_URL, "messages")),
                "InvokeModel": refused("messages[0].content[0].source"),
                "chat": translated(lambda found: last(found)[0]["image_url"] == {"url": "https://example.com/a.png"}),
                "Converse": refused("messages[0].content[0]"),
            },
        )
    ],
    "documents as base64 or text": [
        (
            _PDF,
            {
                **_untouched(_PDF, "messages"),
                "chat": translated(
                    lambda found: (
                        last(found)[0]["file"]
                        == {"filename": "a report.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}
                    )
                ),
                "Converse": translated(lambda found: last(found)[0]["document"]["name"] == "a report"),
            },
        ),
        (
            _PLAIN,
            {
                **_untouched(_PLAIN, "messages"),
                "chat": translated(lambda found: last(found)[0]["file"]["filename"] == "document.txt"),
                "Converse": translated(lambda found: last(found)[0]["document"]["source"] == {"bytes": "d29yZHM="}),
            },
        ),
    ],
    "documents in parts, results of a search": [
        (
            _PARTS,
            {
                **_untouched(_PARTS, "messages"),
                "chat": translated(lambda found: last(found) == "two\n\none\n\nlook"),
                "Converse": translated(lambda found: last(found)[:2] == [{"text": "two"}, {"text": "one"}]),
            },
        ),
        (
            _SEARCH,
            {
                **_untouched(_SEARCH, "messages"),
                "chat": translated(lambda found: last(found) == "t\n\ns\n\nc\n\nlook"),
                "Converse": translated(lambda found: last(found)[:3] == [{"text": "t"}, {"text": "s"}, {"text": "c"}]),
            },
        ),
    ],
    "documents at an address": [
        (
            _PDF_URL,
            {
                "Messages": passed(same(_PDF_URL, "messages")),
                "InvokeModel": refused("messages[0].content[0].source"),
                "chat": refused("messages[0].content[0]"),
                "Converse": refused("messages[0].content[0]"),
            },
        )
    ],
    "`citations`, asked for or of an earlier answer": [
        (
            body,
            {
                **_untouched(body, "messages"),
                "chat": dropped(path),
                "Converse": dropped(path),
            },
        )
        for body, path in ((_CITED, "messages[0].content[0].citations"), (_CITES, "messages[1].content[0].citations"))
    ],
    "files by `file_id`, `container_upload`": [
        (content(file("image", type="file", file_id="file_1")), _anywhere("messages[0].content[0].source")),
        (content(file("document", type="file", file_id="file_1")), _anywhere("messages[0].content[0].source")),
        (
            loop({**DONE, "content": [file("image", type="file", file_id="f")]}),
            _anywhere("messages[2].content[0].content[0].source"),
        ),
        (content({"type": "container_upload", "file_id": "f"}), _anywhere("messages[0].content[0].type")),
    ],
    "`tool_use` and `tool_result`": [
        (
            _CALLS,
            {
                **_untouched(_CALLS, "messages", "tools"),
                "chat": translated(
                    lambda found: (
                        found["messages"][-1] == {"role": "tool", "tool_call_id": "toolu_1", "content": "done"}
                    )
                ),
                "Converse": translated(lambda found: last(found)[0]["toolResult"]["content"] == [{"text": "done"}]),
            },
        )
    ],
    "`is_error`": [
        (
            _FAILS,
            {
                **_untouched(_FAILS, "messages"),
                "chat": translated(lambda found: last(found) == f"{FAILED}\n\ndone"),
                "Converse": translated(lambda found: last(found)[0]["toolResult"]["status"] == "error"),
            },
        )
    ],
    "images and documents of a tool": [
        (
            _PICTURE,
            {
                **_untouched(_PICTURE, "messages"),
                "chat": translated(
                    lambda found: last(found)[0]["type"] == "image_url" and found["messages"][-2]["content"] == "done"
                ),
                "Converse": translated(lambda found: "image" in last(found)[0]["toolResult"]["content"][1]),
            },
        )
    ],
    "a call without its result": [
        (
            _LEFT,
            {
                "chat": dropped(
                    "messages[1].content[0]", check=lambda found: found["messages"][-2]["content"] == NO_RESULT
                ),
                "Converse": dropped(
                    "messages[1].content[0]",
                    check=lambda found: last(found)[0]["toolResult"]["content"] == [{"text": NO_RESULT}],
                ),
            },
        )
    ],
    "a first turn of the assistant": [
        (
            turns(assistant(text("a")), HI),
            {
                "chat": translated(lambda found: found["messages"][0] == {"role": "user", "content": NO_MESSAGE}),
                "Converse": translated(lambda found: found["messages"][0]["content"] == [{"text": NO_MESSAGE}]),
            },
        )
    ],
    "`thinking` and `redacted_thinking` blocks": [
        (
            _THINKS,
            {
                **_untouched(_THINKS, "messages", "thinking"),
                "chat": dropped("messages[1].content[0]", "thinking"),
                "Converse": translated(
                    lambda found: (
                        found["messages"][1]["content"][0]["reasoningContent"]["reasoningText"]
                        == {"text": "hm", "signature": "c2ln"}
                    )
                ),
            },
        ),
        (
            _SECRET,
            {
                **_untouched(_SECRET, "messages"),
                "chat": dropped("messages[1].content[0]"),
                "Converse": translated(
                    lambda found: found["messages"][1]["content"][0]["reasoningContent"] == {"redactedContent": "c2Vj"}
                ),
            },
        ),
    ],
    "`thinking` enabled, adaptive": [
        (
            _ADAPTIVE,
            {
                **_untouched(_ADAPTIVE, "thinking"),
                "chat": dropped("thinking"),
                "Converse": translated(
                    lambda found: found["additionalModelRequestFields"]["thinking"] == {"type": "adaptive"}
                ),
            },
        )
    ],
    "`thinking` disabled": [
        (
            _OFF,
            {
                **_untouched(_OFF, "thinking"),
                "chat": ignored(lambda found: "thinking" not in found),
                "Converse": translated(
                    lambda found: found["additionalModelRequestFields"]["thinking"] == {"type": "disabled"}
                ),
            },
        )
    ],
    "a `budget_tokens` that the enforced cap leaves no room": [
        (
            _HALF,
            {
                "Messages": dropped(
                    "thinking.budget_tokens", check=lambda found: found["thinking"]["budget_tokens"] == 3_999
                ),
                "InvokeModel": dropped(
                    "thinking.budget_tokens", check=lambda found: found["thinking"]["budget_tokens"] == 3_999
                ),
                "chat": dropped("thinking"),
            },
        )
    ],
    "`output_config.effort`": [
        (
            _EFFORT,
            {
                **_untouched(_EFFORT, "output_config"),
                "chat": translated(lambda found: found["reasoning_effort"] == "low"),
                "Converse": translated(lambda found: found["outputConfig"] == {"effort": "low"}),
            },
        )
    ],
    "`output_config.effort` max": [
        (
            _MOST,
            {
                **_untouched(_MOST, "output_config"),
                "chat": dropped("output_config.effort", check=lambda found: found["reasoning_effort"] == "xhigh"),
                "Converse": translated(lambda found: found["outputConfig"] == {"effort": "max"}),
            },
        )
    ],
    "`output_config.format`, all of its objects closed": [
        (
            _FORMAT,
            {
                **_untouched(_FORMAT, "output_config"),
                "chat": translated(lambda found: found["response_format"]["json_schema"]["strict"] is True),
                "Converse": translated(lambda found: "textFormat" in found["outputConfig"]),
            },
        )
    ],
    "`output_config.format`, others": [
        (
            _OPEN,
            {
                **_untouched(_OPEN, "output_config"),
                "chat": dropped(
                    "output_config.format.strict",
                    check=lambda found: found["response_format"]["json_schema"]["strict"] is False,
                ),
                "Converse": translated(lambda found: "textFormat" in found["outputConfig"]),
            },
        )
    ],
    "`tools` of the caller's own": [
        (
            said(tools=[{**TOOL, "description": "what"}]),
            {
                **_untouched(said(tools=[{**TOOL, "description": "what"}]), "tools"),
                "chat": translated(lambda found: found["tools"][0]["function"]["description"] == "what"),
                "Converse": translated(lambda found: found["toolConfig"]["tools"][0]["toolSpec"]["name"] == "f"),
            },
        )
    ],
    "names of tools over 64 characters": [
        (
            _LONG,
            {
                **_untouched(_LONG, "tools"),
                "chat": translated(lambda found: len(found["tools"][0]["function"]["name"]) <= 64),
                "Converse": translated(lambda found: len(found["toolConfig"]["tools"][0]["toolSpec"]["name"]) <= 64),
            },
        )
    ],
    "`tools[].strict`": [
        (
            _STRICT,
            {
                **_untouched(_STRICT, "tools"),
                "chat": translated(lambda found: found["tools"][0]["function"]["strict"] is True),
                "Converse": dropped("tools[0].strict"),
            },
        )
    ],
    "other members of `tools[]`": [
        (
            _EXAMPLES,
            {
                **_untouched(_EXAMPLES, "tools"),
                "chat": dropped("tools[0].input_examples"),
                "Converse": dropped("tools[0].input_examples"),
            },
        )
    ],
    "Anthropic's tools that the caller runs (bash, editor, memory, computer)": [
        (
            said(tools=[{"type": "bash_20250124", "name": "bash"}]),
            {
                **_untouched(said(tools=[{"type": "bash_20250124", "name": "bash"}]), "tools"),
                "chat": refused("tools[0].type"),
                "Converse": refused("tools[0].type"),
            },
        )
    ],
    "tools that the provider runs (web search, web fetch, code, MCP, any other)": [
        (said(tools=[{"type": kind, "name": "x"}]), _anywhere("tools[0].type"))
        for kind in ("web_search_20250305", "web_fetch_20250910", "code_execution_20250825", "mcp_toolset", "newer_1")
    ],
    "`tool_choice`": [
        (
            body,
            {
                **_untouched(body, "tool_choice"),
                "chat": translated(lambda found, word=word: found["tool_choice"] == word),  # type: ignore[misc]
                "Converse": translated(lambda found, choice=choice: found["toolConfig"].get("toolChoice") == choice),  # type: ignore[misc]
            },
        )
        for body, word, choice in (
            (_CHOICES[0], "auto", None),
            (_CHOICES[1], "required", {"any": {}}),
            (_ONE, {"type": "function", "function": {"name": "f"}}, {"tool": {"name": "f"}}),
            (_NONE, "none", None),
        )
        if body is not _NONE
    ],
    "`tool_choice` none": [
        (
            _NONE,
            {
                **_untouched(_NONE, "tool_choice"),
                "chat": translated(lambda found: found["tool_choice"] == "none"),
                "Converse": translated(lambda found: "toolConfig" not in found),
            },
        )
    ],
    "`disable_parallel_tool_use`": [
        (
            _ALONE,
            {
                **_untouched(_ALONE, "tool_choice"),
                "chat": translated(lambda found: found["parallel_tool_calls"] is False),
                "Converse": translated(
                    lambda found: found["additionalModelRequestFields"]["tool_choice"]["disable_parallel_tool_use"]
                ),
            },
        )
    ],
    "`max_tokens`": [
        (
            said(),
            {
                target: translated(lambda found: 4_000 in _caps(found))
                for target in ("Messages", "InvokeModel", "chat", "Converse")
            },
        )
    ],
    "`stop_sequences`": [
        (
            _STOP,
            {
                **_untouched(_STOP, "stop_sequences"),
                "chat": translated(lambda found: found["stop"] == ["END"]),
                "Converse": translated(lambda found: found["inferenceConfig"]["stopSequences"] == ["END"]),
            },
        )
    ],
    "`temperature`, `top_p`": [
        (
            _WARM,
            {
                **_untouched(_WARM, "temperature"),
                "chat": translated(lambda found: found["temperature"] == 0.5),
                "Converse": translated(lambda found: found["inferenceConfig"]["temperature"] == 0.5),
            },
        )
    ],
    "`top_k`": [
        (
            _TOP_K,
            {
                **_untouched(_TOP_K, "top_k"),
                "chat": dropped("top_k"),
                "Converse": translated(lambda found: found["additionalModelRequestFields"]["top_k"] == 5),
            },
        )
    ],
    "`metadata`, `diagnostics`": [
        (
            body,
            {
                "Messages": passed(same(body, name)),
                "InvokeModel": dropped(name),
                "chat": dropped(name),
                "Converse": dropped(name),
            },
        )
        for body, name in ((_WHO, "metadata"), (_ASKS, "diagnostics"))
    ],
    "`context_management` that clears": [
        (
            _CLEAR,
            {
                "Messages": passed(same(_CLEAR, "context_management")),
                "InvokeModel": passed(lambda found: found["anthropic_beta"] == ["context-management-2025-06-27"]),
                "chat": dropped("context_management"),
                "Converse": dropped("context_management"),
            },
        )
    ],
    "`context_management` that compacts, `compaction`": [
        (
            said(context_management={"edits": [{"type": "compact_20260112"}]}),
            _anywhere("context_management.edits[0].type"),
        ),
        (said(compaction={"enabled": True}), _anywhere("compaction")),
    ],
    "`service_tier` auto, standard_only": [
        (
            _TIER,
            {
                "Messages": passed(same(_TIER, "service_tier")),
                "InvokeModel": dropped("service_tier"),
                "chat": ignored(lambda found: "service_tier" not in found),
                "Converse": ignored(lambda found: "serviceTier" not in found),
            },
        )
    ],
    "`speed` fast, `inference_geo`, `fallbacks`, `container`, `mcp_servers`, `thread`": [
        (said(speed="fast"), _anywhere("speed")),
        (said(inference_geo="us"), _anywhere("inference_geo")),
        (said(fallbacks=[{"model": "x"}]), _anywhere("fallbacks")),
        (said(container="c"), _anywhere("container")),
        (said(mcp_servers=[{"url": "https://example.com"}]), _anywhere("mcp_servers")),
        (said(thread={"id": "t"}), _anywhere("thread")),
    ],
    "a field that nobody knows": [
        (
            said(something_new=5),
            {
                "chat": refused("something_new"),
                "Converse": refused("something_new"),
            },
        )
    ],
}
