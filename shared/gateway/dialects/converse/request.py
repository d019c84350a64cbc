"""Writes the neutral form as Converse's request.

Anything that Converse can't express is refused by its path if it would change the answer's meaning; the rest is
expressed as far as possible, and named. docs/api.md has the table, and a test reads it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from gateway.dialects.conversation import JSON_SENTENCE, Conversation, conversation_of
from gateway.dialects.converse.blocks import written, written_tools
from gateway.dialects.converse.documents import beside_documents
from gateway.dialects.marks import mark_talk
from gateway.dialects.names import Names
from gateway.dialects.neutral import Mark, Request, Text, Tool, ToolUse
from gateway.dialects.plain import no_links, plain
from gateway.dialects.rest import CACHING, check_rest, sampling_of
from gateway.dialects.tools import check_choice
from gateway.dialects.unsupported import refuse
from gateway.dialects.written import Written
from gateway.models.vendors import Sampling

_TIERS = ("priority", "flex", "reserved")
_LONGEST_EFFORT = 16
_NO_NAMES: Final = Names(())


def write_request(
    request: Request,
    dropped: list[str],
    *,
    metadata: Mapping[str, str],
    one_tool: bool,
    sampling: Sampling = "all",
    marks: str = "",
) -> Written:
    """Raises Unsupported. `metadata` goes into Bedrock's invocation log. `one_tool`: the model takes Anthropic's
    `tool_choice` among its own fields, which can limit it to one call at a time. `sampling`: which of `temperature` and
    `top_p` it takes. `marks`: how long our marks cache a prompt that has none."""
    dropped = list(dropped)
    if request.rest:
        check_rest(request, dropped, told=CACHING if marks else ())
    tools = _offered(request, dropped) if request.tools or request.choice is not None else []
    texts = not tools and _only_texts(request)
    talk = _talk(request, tools, marks, dropped, texts=texts)
    files: set[str] = set()
    names = _NO_NAMES if texts else _names(talk)
    sampled = sampling_of(request, sampling, dropped)
    own = _own_fields(request, sampled, tools=bool(tools), one_tool=one_tool, dropped=dropped)
    optional = {
        "system": [written(block, names, files) for block in talk.system],
        "inferenceConfig": _inference(request, sampled, dropped),
        "toolConfig": _tool_config(request, talk, names, dropped) if talk.tools else None,
        "outputConfig": _output_config(request, dropped) if request.output is not None or request.effort else None,
        "additionalModelRequestFields": own,
        "serviceTier": _tier(request) if request.tier is not None else None,
        "requestMetadata": metadata,
    }
    messages = [
        {"role": turn.speaker, "content": [written(block, names, files) for block in turn.blocks]}
        for turn in talk.turns
    ]
    return Written(
        {"messages": messages, **{name: value for name, value in optional.items() if value}},
        dropped,
        names.originals,
        [[block.at for block in turn.blocks] for turn in talk.turns],
        [block.at for block in talk.system],
        request.paths,
    )


def _only_texts(request: Request) -> bool:
    """Whether all that is said are texts without extras, as in most requests. The passes over links, files, calls and
    marks would find nothing in them."""
    for turn in request.turns:
        for block in turn.blocks:
            if type(block) is not Text or block.rest:
                return False
    return True


def _talk(request: Request, tools: list[Tool | Mark], marks: str, dropped: list[str], *, texts: bool) -> Conversation:
    """The conversation as Converse takes it; `texts`: there is nothing else in it."""
    turns = request.turns
    if not texts:
        no_links(turns)
        turns = plain(turns, dropped)
    talk = conversation_of(turns, tools, dropped, request.path)
    if not texts:
        beside_documents(talk)
    if request.output is not None and request.output.kind == "json":
        talk.system.append(Text(JSON_SENTENCE))
    if marks or not texts:
        mark_talk(talk, marks, dropped)
    return talk


def _offered(request: Request, dropped: list[str]) -> list[Tool | Mark]:
    """The tools that may be called, with their marks."""
    check_choice(request)
    choice = request.choice
    if choice is not None and choice.kind == "none":
        dropped += [mark.at for mark in request.tools if isinstance(mark, Mark)]
        return []
    return list(request.tools)


def _names(talk: Conversation) -> Names:
    used = (block.name for turn in talk.turns for block in turn.blocks if isinstance(block, ToolUse))
    return Names([*(tool.name for tool in talk.tools if isinstance(tool, Tool)), *used])


def _inference(request: Request, sampled: Mapping[str, float], dropped: list[str]) -> dict[str, Any]:
    config: dict[str, Any] = {}
    if request.cap is not None:
        config["maxTokens"] = request.cap
    if "temperature" in sampled:
        config["temperature"] = sampled["temperature"]
    if "top_p" in sampled:
        config["topP"] = sampled["top_p"]
    if request.stop:
        dropped += [f"{request.path('stop')}[{at}]" for at, text in enumerate(request.stop) if not text.strip()]
        if stop := [text for text in request.stop if text.strip()]:
            config["stopSequences"] = stop
    return config


def _tool_config(request: Request, talk: Conversation, names: Names, dropped: list[str]) -> dict[str, Any]:
    config: dict[str, Any] = {"tools": written_tools(talk.tools, names, dropped)}
    choice = request.choice
    if choice is not None and choice.kind == "any":
        config["toolChoice"] = {"any": {}}
    elif choice is not None and choice.kind == "one":
        config["toolChoice"] = {"tool": {"name": names.of(choice.name)}}
    return config


def _own_fields(
    request: Request, sampled: Mapping[str, float], *, tools: bool, one_tool: bool, dropped: list[str]
) -> dict[str, Any]:
    """Fields of the models themselves. Not all of them may pass: some raise the output cap."""
    fields: dict[str, Any] = {}
    if request.thinking is not None:
        fields["thinking"] = request.thinking
    if "top_k" in sampled:
        fields["top_k"] = sampled["top_k"]
    if request.parallel is False and tools:
        if one_tool:
            # With a `toolChoice` of Converse's own the type would be given twice, which Bedrock refuses.
            forced = request.choice is not None and request.choice.kind in ("any", "one")
            fields["tool_choice"] = {**({} if forced else {"type": "auto"}), "disable_parallel_tool_use": True}
        else:
            dropped.append(request.path("parallel_tool_calls"))
    return fields


def _output_config(request: Request, dropped: list[str]) -> dict[str, Any]:
    config: dict[str, Any] = {}
    if request.effort:
        if len(request.effort) > _LONGEST_EFFORT:
            raise refuse(request.path("reasoning_effort"), f"has at most {_LONGEST_EFFORT} characters")
        config["effort"] = request.effort
    output = request.output
    if output is not None and output.kind == "schema":
        if output.strict is False:
            dropped.append(request.path("response_format.json_schema.strict"))  # a schema is always enforced
        # Not longer than the estimate counted: written like the client's JSON, without escapes for non-ASCII text.
        schema = json.dumps(output.schema, ensure_ascii=False, separators=(",", ":"))
        said = {"schema": schema, "name": output.name, "description": output.description}
        structure = {"jsonSchema": {name: text for name, text in said.items() if text}}
        config["textFormat"] = {"type": "json_schema", "structure": structure}
    return config


def _tier(request: Request) -> dict[str, str]:
    if request.tier not in _TIERS:
        raise refuse(request.path("service_tier"), "this value is not supported by this model")
    return {"type": request.tier}
