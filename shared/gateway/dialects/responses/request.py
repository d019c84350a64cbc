"""Writes the neutral form as the body of a Responses request, without `model` and delivery, which the vendor adds.

Anything that Responses can't express is refused by its path if it would change the answer's meaning; the rest is
expressed as far as possible, and named.
API: https://platform.openai.com/docs/api-reference/responses/create
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from gateway.dialects.conversation import Conversation, conversation_of
from gateway.dialects.names import Ids, Names
from gateway.dialects.neutral import (
    Block,
    Mark,
    Reasoning,
    Redacted,
    Request,
    Speaker,
    Text,
    Tool,
    ToolResult,
    ToolUse,
    Turn,
)
from gateway.dialects.plain import plain
from gateway.dialects.responses.given.parts import written
from gateway.dialects.responses.thoughts import packed
from gateway.dialects.responses.tools import as_json
from gateway.dialects.rest import check_rest
from gateway.dialects.tools import check_choice, check_names, object_schema
from gateway.dialects.unsupported import refuse
from gateway.dialects.values import mapping
from gateway.dialects.written import Written

FAILED: Final = "(the tool failed)"
_SAID: Final = (
    "metadata",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "safety_identifier",
    "user",
)
_EFFORTS: Final = ("none", "minimal", "low", "medium", "high", "xhigh")
_CHOICES: Final = {"auto": "auto", "any": "required", "none": "none"}


def write_request(request: Request, dropped: list[str], *, thoughts: bool = False) -> Written:
    """Raises Unsupported. `thoughts`: signed reasoning is written too, packed, as our own clients send it."""
    dropped = list(dropped)
    said = {name: value for name, value in request.rest.items() if name in _SAID}
    check_rest(request, dropped, told=(*said, "verbosity"))
    check_choice(request)
    check_names(request.tools)
    if request.stop:
        raise refuse(request.path("stop"), "is not supported by this model")
    tools = [tool for tool in request.tools if isinstance(tool, Tool)]
    dropped += [tool.at for tool in request.tools if isinstance(tool, Mark)]
    turns = list(_speakable(plain(request.turns, dropped), dropped, thoughts=thoughts))
    talk = conversation_of(turns, tools, dropped, request.path, ids=Ids(), words=False)
    names = _names(talk, tools)
    for name, value in (("top_k", request.top_k), ("thinking", request.thinking)):
        if value is not None and mapping(value).get("type") != "disabled":
            dropped.append(request.path(name))
    items = list(_items(talk, names))
    fields = {
        "instructions": "\n\n".join(block.text for block in talk.system if isinstance(block, Text)) or None,
        "input": [item for item, _ in items],
        "tools": [_tool(tool, names) for tool in tools] or None,
        "tool_choice": _choice(request, names) if tools else None,
        "parallel_tool_calls": request.parallel if tools else None,
        "text": _text(request, dropped),
        "max_output_tokens": request.cap,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "reasoning": _reasoning(request, dropped),
        "service_tier": request.tier,
        **said,
    }
    body = {name: value for name, value in fields.items() if value is not None}
    return Written(body, dropped, names.originals, [[at] for _, at in items], [], request.paths)


def _speakable(turns: Sequence[Turn], dropped: list[str], *, thoughts: bool) -> Iterator[Turn]:
    """The turns without what Responses lacks: marks (its cache needs none), and reasoning of other models."""
    for turn in turns:
        kept: list[Block] = []
        for block in turn.blocks:
            if isinstance(block, Mark) or (isinstance(block, (Reasoning, Redacted)) and not thoughts):
                dropped.append(block.at)
            else:
                kept.append(block)
        yield Turn(turn.speaker, tuple(kept), turn.at)


def _items(talk: Conversation, names: Names) -> Iterator[tuple[dict[str, Any], str]]:
    """Each item with the path that it came from."""
    for turn in talk.turns:
        texts: list[Block] = []
        for block in turn.blocks:
            if isinstance(block, (ToolUse, ToolResult, Reasoning, Redacted)):
                yield from _message(turn.speaker, texts)
                texts = []
                yield _item(block, names), block.at
            else:
                texts.append(block)
        yield from _message(turn.speaker, texts)


def _message(speaker: Speaker, blocks: Sequence[Block]) -> Iterator[tuple[dict[str, Any], str]]:
    """For the assistant one message per text: as parts they would need their original ids."""
    if speaker == "assistant":
        for block in blocks:
            if isinstance(block, Text):
                yield {"type": "message", "role": speaker, "content": block.text}, block.at
    elif blocks:
        content = [written(block) for block in blocks if not isinstance(block, (Mark, *_ITEMS))]
        yield {"type": "message", "role": speaker, "content": content}, blocks[0].at


_ITEMS: Final = (ToolUse, ToolResult, Reasoning, Redacted)


def _item(block: ToolUse | ToolResult | Reasoning | Redacted, names: Names) -> dict[str, Any]:
    if isinstance(block, ToolUse):
        called = {"call_id": block.id, "name": names.of(block.name), "arguments": as_json(block.input)}
        return {"type": "function_call", **called}
    if isinstance(block, ToolResult):
        return {"type": "function_call_output", "call_id": block.id, "output": _output(block)}
    text = block.text if isinstance(block, Reasoning) else ""
    summary = [{"type": "summary_text", "text": text}] if text else []
    sealed = packed(block)
    return {"type": "reasoning", "summary": summary, **({"encrypted_content": sealed} if sealed else {})}


def _output(result: ToolResult) -> Any:
    content = [Text(FAILED), *result.content] if result.failed else [*result.content]
    if len(content) == 1 and isinstance(content[0], Text):
        return content[0].text
    return [written(part) for part in content]


def _names(talk: Conversation, tools: Iterable[Tool]) -> Names:
    used = [block.name for turn in talk.turns for block in turn.blocks if isinstance(block, ToolUse)]
    return Names((*(tool.name for tool in tools), *used))


def _tool(tool: Tool, names: Names) -> dict[str, Any]:
    said = {"description": tool.description} if tool.description else {}
    parameters = object_schema(tool)
    return {
        "type": "function",
        "name": names.of(tool.name),
        **said,
        "parameters": parameters,
        "strict": bool(tool.strict),
    }


def _choice(request: Request, names: Names) -> Any:
    choice = request.choice
    if choice is None:
        return None
    return {"type": "function", "name": names.of(choice.name)} if choice.kind == "one" else _CHOICES[choice.kind]


def _text(request: Request, dropped: list[str]) -> dict[str, Any] | None:
    text: dict[str, Any] = {}
    output = request.output
    if output is not None and output.kind == "json":
        text["format"] = {"type": "json_object"}
    elif output is not None:
        if output.strict is None:
            dropped.append(request.path("response_format.json_schema.strict"))  # enforced only if it is asked for
        described = {"description": output.description} if output.description else {}
        named = {"name": output.name or "answer", **described, "schema": output.schema}
        text["format"] = {"type": "json_schema", **named, "strict": bool(output.strict)}
    if request.rest.get("verbosity") is not None:
        text["verbosity"] = request.rest["verbosity"]
    return text or None


def _reasoning(request: Request, dropped: list[str]) -> dict[str, Any] | None:
    effort, path = request.effort, request.path("reasoning_effort")
    if not effort:
        return None
    if effort == "max":  # only another vendor has this value
        dropped.append(path)
        effort = "xhigh"
    if effort not in _EFFORTS:
        raise refuse(path, f"must be one of {', '.join(_EFFORTS)} for this model")
    return {"effort": effort}
