"""Converts the items of a request's input into turns of typed blocks.

Successive items of the model (messages, reasoning, calls) are one turn: reasoning belongs to what follows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from gateway.dialects.neutral import Block, Reasoning, Redacted, Speaker, Text, ToolResult, ToolUse, Turn
from gateway.dialects.responses.given.parts import Part, parts_of
from gateway.dialects.responses.thoughts import is_packed, unpacked
from gateway.dialects.responses.tools import SEARCH, Called, as_arguments, as_json
from gateway.dialects.unsupported import name_unknown, refuse
from gateway.dialects.values import mapping, objects, read_json

# Members for an item's name or its progress: the model is not told these.
_NAMES: Final = ("id", "type", "status", "internal_chat_message_metadata_passthrough")
_SPEAKERS: Final[Mapping[str, Speaker]] = {
    "user": "user",
    "assistant": "assistant",
    "system": "system",
    "developer": "system",
}
# Items of a provider's own tools, and others that no other dialect has. None of them comes from the caller.
_LEFT_OUT: Final = frozenset(
    (
        "code_interpreter_call",
        "configuration_update",
        "file_search_call",
        "image_generation_call",
        "mcp_approval_request",
        "mcp_call",
        "mcp_list_tools",
        "program",
        "program_output",
        "web_search_call",
    )
)
_OUTPUTS: Final = ("function_call_output", "custom_tool_call_output", "local_shell_call_output", "shell_call_output")


def turns_of(items: Sequence[Any], dropped: list[str]) -> list[Turn]:
    """Raises Unsupported; what is left out is named in `dropped`."""
    turns: list[Turn] = []
    for number, given in enumerate(items):
        item, where = mapping(given), f"input[{number}]"
        speaker, blocks = _read(item, where, dropped)
        if speaker is None:
            continue
        if speaker == "assistant" and turns and turns[-1].speaker == "assistant":
            turns[-1] = Turn("assistant", (*turns[-1].blocks, *blocks), turns[-1].at)
        else:
            turns.append(Turn(speaker, tuple(blocks), where))
    return turns


def _read(item: Mapping[str, Any], where: str, dropped: list[str]) -> tuple[Speaker | None, Sequence[Block]]:
    """The speaker and the blocks; no speaker if the item is not part of the conversation."""
    kind = item.get("type") or "message"
    if kind == "message":
        return _message(item, where, dropped)
    if kind == "reasoning":
        return "assistant", list(_reasoning(item, where, dropped))
    if kind in _OUTPUTS:
        return "user", [_result(item, str(kind), where, dropped)]
    if kind in ("apply_patch_call_output", "tool_search_output"):
        return "user", [_told(item, str(kind), where)]
    if isinstance(kind, str) and kind in _CALLS:
        return "assistant", [_CALLS[kind](item, where, dropped)]
    if kind == "additional_tools":
        return None, ()
    if isinstance(kind, str) and kind in _LEFT_OUT:
        dropped.append(where)
        return None, ()
    raise refuse(f"{where}.type", "not supported by this model")


def _message(item: Mapping[str, Any], where: str, dropped: list[str]) -> tuple[Speaker, Sequence[Block]]:
    name_unknown(item, (*_NAMES, "role", "content"), where, dropped)
    speaker = _SPEAKERS.get(str(item.get("role")))
    if speaker is None:
        raise refuse(f"{where}.role", "not supported by this model")
    blocks = list(parts_of(item.get("content"), f"{where}.content", dropped))
    for block in blocks if speaker != "user" else ():
        if not isinstance(block, Text):
            raise refuse(block.at, "only text is supported by this model here")
    return speaker, blocks


def _reasoning(item: Mapping[str, Any], where: str, dropped: list[str]) -> Iterator[Reasoning | Redacted]:
    name_unknown(item, (*_NAMES, "summary", "content", "encrypted_content"), where, dropped)
    sealed = item.get("encrypted_content")
    thought = unpacked(sealed, where)
    if thought is not None:
        yield thought
        return
    if sealed:  # of another model, or damaged
        dropped.append(f"{where}.encrypted_content")
    said = [part.get("text") for part in (*objects(item.get("summary")), *objects(item.get("content")))]
    text = "\n\n".join(each for each in said if isinstance(each, str) and each)
    if text and not is_packed(sealed):
        yield Reasoning(text, at=where)


def _result(item: Mapping[str, Any], kind: str, where: str, dropped: list[str]) -> ToolResult:
    id = item.get("id") if kind == "local_shell_call_output" else item.get("call_id")
    output = item.get("output")
    if kind == "shell_call_output":
        return ToolResult(_some(id, f"{where}.call_id"), (Text(as_json(output), at=where),), at=where)
    name_unknown(item, (*_NAMES, "call_id", "output", "name", "namespace", "caller"), where, dropped)
    content: tuple[Part, ...] = tuple(parts_of(output, f"{where}.output", dropped))
    return ToolResult(_some(id, f"{where}.call_id"), content, at=where)


def _told(item: Mapping[str, Any], kind: str, where: str) -> ToolResult:
    """The result of a patch, or the tools that were found, as text."""
    id = item.get("call_id") or (item.get("id") if kind == "tool_search_output" else None)
    if kind == "tool_search_output":
        return ToolResult(_some(id, f"{where}.call_id"), (Text(as_json(item.get("tools")), at=where),), at=where)
    said = item.get("output") or item.get("status") or ""
    failed = item.get("status") == "failed"
    return ToolResult(_some(id, f"{where}.call_id"), (Text(str(said), at=where),), failed, where)


def _function_call(item: Mapping[str, Any], where: str, dropped: list[str]) -> ToolUse:
    name_unknown(item, (*_NAMES, "call_id", "name", "namespace", "arguments", "caller", "async"), where, dropped)
    given = item.get("arguments")
    arguments, sound = read_json(given if isinstance(given, str) and given.strip() else "{}")
    if arguments is None:  # from a model that was cut off: it must be able to see what it did
        arguments = as_arguments(str(given))
        dropped.append(f"{where}.arguments")
    elif not sound:
        dropped.append(f"{where}.arguments")
    return ToolUse(_some(item.get("call_id"), f"{where}.call_id"), _flat("function", item, where), arguments, where)


def _custom_call(item: Mapping[str, Any], where: str, dropped: list[str]) -> ToolUse:
    name_unknown(item, (*_NAMES, "call_id", "name", "namespace", "input", "caller", "async"), where, dropped)
    id = _some(item.get("call_id"), f"{where}.call_id")
    return ToolUse(id, _flat("custom", item, where), as_arguments(str(item.get("input"))), where)


def _shell_call(item: Mapping[str, Any], where: str, dropped: list[str]) -> ToolUse:
    name = str(item["type"]).removesuffix("_call")
    return ToolUse(_some(item.get("call_id"), f"{where}.call_id"), name, mapping(item.get("action")), where)


def _patch_call(item: Mapping[str, Any], where: str, dropped: list[str]) -> ToolUse:
    id = _some(item.get("call_id"), f"{where}.call_id")
    return ToolUse(id, "apply_patch", mapping(item.get("operation")), where)


def _search_call(item: Mapping[str, Any], where: str, dropped: list[str]) -> ToolUse:
    id = _some(item.get("call_id") or item.get("id"), f"{where}.call_id")
    return ToolUse(id, SEARCH, mapping(item.get("arguments")), where)


_CALLS: Final = {
    "function_call": _function_call,
    "custom_tool_call": _custom_call,
    "local_shell_call": _shell_call,
    "shell_call": _shell_call,
    "apply_patch_call": _patch_call,
    "tool_search_call": _search_call,
}


def _flat(kind: str, item: Mapping[str, Any], where: str) -> str:
    namespace = item.get("namespace")
    name = _some(item.get("name"), f"{where}.name")
    return Called(kind, namespace if isinstance(namespace, str) else "", name).flat


def _some(value: object, where: str) -> str:
    if not isinstance(value, str) or not value:
        raise refuse(where, "is required, as text")
    return value
