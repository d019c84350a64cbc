"""Writes the neutral form as a chat body for any host: OpenAI's own fields, a conversation that strict servers accept.

Anything that chat can't express is refused by its path if it would change the answer's meaning; the rest is
expressed as far as possible, and named. docs/dialects.md has the table, and a test reads it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final

from gateway.dialects.chat.messages import messages_of
from gateway.dialects.chat.request import written_choice, written_output, written_tools
from gateway.dialects.conversation import Conversation, conversation_of
from gateway.dialects.names import Ids, Names
from gateway.dialects.neutral import (
    Block,
    Choice,
    Link,
    Mark,
    Output,
    Reasoning,
    Redacted,
    Request,
    Text,
    Tool,
    ToolResult,
    ToolUse,
    Turn,
)
from gateway.dialects.plain import plain
from gateway.dialects.rest import check_rest
from gateway.dialects.tools import check_choice, check_names, object_schema
from gateway.dialects.unsupported import refuse
from gateway.dialects.values import mapping
from gateway.dialects.written import Written

FAILED: Final = "(the tool failed)"
_LONGEST_ID = 40  # OpenAI's
# Fields with the same names in chat: how an answer is sampled, billed, stored, and how long it is.
_SAID: Final = (
    "metadata",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "safety_identifier",
    "user",
    "verbosity",
)
_EFFORTS: Final = ("none", "minimal", "low", "medium", "high", "xhigh")


def write_for_host(request: Request, dropped: list[str], *, passed: Collection[str] = ()) -> Written:
    """Raises Unsupported. `passed`: fields beyond OpenAI's own that the host takes (`top_k`)."""
    dropped = list(dropped)
    said = {name: value for name, value in request.rest.items() if name in _SAID}
    check_rest(request, dropped, told=said)
    check_choice(request)
    check_names(request.tools)
    tools = [tool for tool in request.tools if isinstance(tool, Tool)]
    dropped += [tool.at for tool in request.tools if isinstance(tool, Mark)]
    turns = tuple(_speakable(plain(request.turns, dropped), dropped))
    talk = conversation_of(turns, tools, dropped, request.path, ids=Ids(_LONGEST_ID), words=False)
    names = _names(talk, tools)
    choice = request.choice
    if choice is not None and choice.kind == "one":
        choice = Choice("one", names.of(choice.name))
    effort = _effort(request, dropped)
    fields = {
        "messages": [_simple(message) for message in messages_of(_turns(talk, names))],
        "tools": written_tools([_named(tool, names) for tool in tools]) or None,
        "tool_choice": None if choice is None or not tools else written_choice(choice),
        "parallel_tool_calls": request.parallel if tools else None,
        "response_format": written_output(_held(request, dropped)),
        "max_completion_tokens": request.cap,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "stop": list(request.stop) or None,
        "reasoning_effort": effort,
        "service_tier": request.tier,
        **said,
        **_beyond(request, passed, dropped),
    }
    body = {name: value for name, value in fields.items() if value is not None}
    places = [[block.at for block in turn.blocks] for turn in talk.turns]
    return Written(body, dropped, names.originals, places, [block.at for block in talk.system], request.paths)


def _speakable(turns: Sequence[Turn], dropped: list[str]) -> Iterator[Turn]:
    """The turns without what OpenAI's form lacks: marks (its cache needs none) and reasoning of earlier turns. Results
    are text: the user gives anything else from a tool right behind the result."""
    for turn in turns:
        blocks: list[Block] = []
        beside: list[Block] = []
        for block in turn.blocks:
            if isinstance(block, (Mark, Reasoning, Redacted)):
                dropped.append(block.at)
            elif isinstance(block, ToolResult):
                texts = tuple(part for part in block.content if isinstance(part, Text))
                beside += [part for part in block.content if not isinstance(part, Text)]
                failed = (Text(FAILED, at=block.at),) if block.failed else ()
                blocks.append(ToolResult(block.id, (*failed, *texts), at=block.at))
            else:
                _check_file(block)
                blocks.append(block)
        for part in beside:
            _check_file(part)
        yield Turn(turn.speaker, (*blocks, *beside), turn.at)


def _check_file(block: Block) -> None:
    if isinstance(block, Link) and block.kind == "document":
        raise refuse(block.at, "must be a document as base64 in the request itself")


def _names(talk: Conversation, tools: Sequence[Tool]) -> Names:
    used = [block.name for turn in talk.turns for block in turn.blocks if isinstance(block, ToolUse)]
    return Names((*(tool.name for tool in tools), *used))


def _named(tool: Tool, names: Names) -> Tool:
    return Tool(names.of(tool.name), tool.description, object_schema(tool), tool.strict, tool.at)


def _turns(talk: Conversation, names: Names) -> Iterator[Turn]:
    if talk.system:
        yield Turn("system", tuple(talk.system))
    for turn in talk.turns:
        yield Turn(turn.speaker, tuple(_block(block, names) for block in turn.blocks))


def _block(block: Block, names: Names) -> Block:
    if isinstance(block, ToolUse):
        return ToolUse(block.id, names.of(block.name), block.input, block.at)
    return block


def _simple(message: dict[str, Any]) -> dict[str, Any]:
    """The message with its texts as one text, if it has only texts: some hosts do not accept a list."""
    parts = message["content"]
    if any(part["type"] != "text" for part in parts):
        return message
    return message | {"content": "\n\n".join(part["text"] for part in parts) or None}


def _effort(request: Request, dropped: list[str]) -> str | None:
    path, effort = request.path("reasoning_effort"), request.effort
    if effort == "max":  # only Anthropic has this value
        dropped.append(path)
        return "xhigh"
    if effort and effort not in _EFFORTS:
        raise refuse(path, f"must be one of {', '.join(_EFFORTS)} for this model")
    return effort or None


def _held(request: Request, dropped: list[str]) -> Output | None:
    """The output with a name for its schema. It is strict if OpenAI can enforce the schema: all its objects are closed
    and require all of their members."""
    output = request.output
    if output is None or output.kind != "schema":
        return output
    strict = output.strict
    if strict is None:
        strict = _is_closed(output.schema)
        dropped += [] if strict else [request.path("response_format.json_schema.strict")]
    return Output("schema", output.schema, output.name or "answer", output.description, strict)


def _is_closed(schema: Any) -> bool:
    waiting = [schema]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            members = value.get("properties")
            if value.get("type") == "object" or isinstance(members, dict):
                wanted = value.get("required")
                if value.get("additionalProperties") is not False or not isinstance(wanted, list):
                    return False
                if any(name not in wanted for name in mapping(members)):
                    return False
            waiting += [*(mapping(members).values()), *(each for name, each in value.items() if name != "properties")]
    return True


def _beyond(request: Request, passed: Collection[str], dropped: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in (("top_k", request.top_k), ("thinking", request.thinking)):
        if value is not None and name in passed:
            found[name] = value
        elif value is not None and mapping(value).get("type") != "disabled":
            dropped.append(request.path(name))
    return found
