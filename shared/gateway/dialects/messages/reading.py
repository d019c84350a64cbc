"""Reads a Messages body into the neutral form. Anything without a place there is refused by its path, or named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from gateway.config.spelling import hint
from gateway.dialects.marks import marks
from gateway.dialects.messages.parts import blocks_of
from gateway.dialects.messages.policy import DOCUMENTED, OF_HEADERS, check_fields, runs_here
from gateway.dialects.neutral import Choice, Mark, Output, Request, Text, Tool, Turn
from gateway.dialects.unsupported import UNSUPPORTED, name_unknown, refuse
from gateway.dialects.values import mapping

# Fields that have a place in the neutral form.
READ: Final = frozenset(
    (
        "cache_control",
        "max_tokens",
        "messages",
        "output_config",
        "stop_sequences",
        "system",
        "temperature",
        "thinking",
        "tool_choice",
        "tools",
        "top_k",
        "top_p",
    )
)
# How the request is delivered and stored, its labels, and which of its parts may be cleared on the way.
LEFT_OUT: Final = frozenset(("context_management", "diagnostics", "metadata"))
_DELIVERY: Final = frozenset(("model", "stream")) | OF_HEADERS
# Values that ask for nothing that another dialect lacks.
_NEUTRAL: Final[Mapping[str, tuple[Any, ...]]] = {"service_tier": ("auto", "standard_only"), "speed": ("standard",)}
# The fields' names, by chat's names for them.
PATHS: Final[Mapping[str, str]] = {
    "max_completion_tokens": "max_tokens",
    "parallel_tool_calls": "tool_choice.disable_parallel_tool_use",
    "reasoning_effort": "output_config.effort",
    "response_format": "output_config.format",
    "response_format.json_schema.strict": "output_config.format.strict",
    "stop": "stop_sequences",
}
_CHOICES: Final = {"auto": "auto", "any": "any", "none": "none"}


def read_request(given: Mapping[str, Any], *, cap: int | None) -> tuple[Request, list[str]]:
    """The request in a body, and the paths of its fields without effect. `cap` is enforced, whatever the body asks for.
    Raises BadRequest for fields that may not leave, Unsupported for those that the neutral form can't express."""
    body = {name: value for name, value in given.items() if value is not None}
    check_fields(body, None)
    dropped: list[str] = []
    _check_rest(body, dropped)
    choice = mapping(body.get("tool_choice"))
    output = mapping(body.get("output_config"))
    name_unknown(output, ("effort", "format"), "output_config", dropped)
    effort, alone = output.get("effort"), choice.get("disable_parallel_tool_use")
    if effort is not None and not isinstance(effort, str):
        raise refuse("output_config.effort", "must be text")
    request = Request(
        turns=_turns(body, dropped),
        tools=tuple(_tools(body.get("tools") or (), dropped)),
        choice=_choice(choice, dropped),
        parallel=None if alone is None else not alone,
        output=_output(mapping(output.get("format")), dropped),
        cap=cap,
        temperature=body.get("temperature"),
        top_p=body.get("top_p"),
        top_k=body.get("top_k"),
        stop=tuple(body.get("stop_sequences") or ()),
        effort=effort,
        thinking=body.get("thinking"),
        paths=PATHS,
    )
    return request, dropped


def _check_rest(body: Mapping[str, Any], dropped: list[str]) -> None:
    for name, value in body.items():
        if name in READ or name in _DELIVERY or value in _NEUTRAL.get(name, ()) or value == {}:
            continue
        if name not in LEFT_OUT:
            raise refuse(name, UNSUPPORTED + hint(name, DOCUMENTED))
        dropped.append(name)


def _turns(body: Mapping[str, Any], dropped: list[str]) -> tuple[Turn, ...]:
    turns: list[Turn] = []
    if body.get("system"):
        system = tuple(blocks_of(body["system"], "system", dropped))
        _only_text(system, "system")
        turns.append(Turn("system", system, "system"))
    for number, given in enumerate(body.get("messages") or ()):
        message, where = mapping(given), f"messages[{number}]"
        role = message.get("role")
        name_unknown(message, ("role", "content"), where, dropped)
        if role not in ("user", "assistant", "system"):
            raise refuse(f"{where}.role", "must be user, assistant or system")
        blocks = tuple(blocks_of(message.get("content"), f"{where}.content", dropped))
        if role == "system":
            _only_text(blocks, f"{where}.content")
        turns.append(Turn(role, blocks, where))
    if turns and (end := marks(body, "", dropped)):  # behind the last block that can carry it
        last = turns[-1]
        turns[-1] = Turn(last.speaker, (*last.blocks, *end), last.at)
    return tuple(turns)


def _only_text(blocks: Sequence[Any], where: str) -> None:
    for block in blocks:
        if not isinstance(block, (Text, Mark)):
            raise refuse(getattr(block, "at", where), "only text is supported by this model here")


def _tools(tools: Sequence[Any], dropped: list[str]) -> Iterator[Tool | Mark]:
    for index, given in enumerate(tools):
        tool, where = mapping(given), f"tools[{index}]"
        if not runs_here(tool) or tool.get("type") not in (None, "custom"):
            raise refuse(f"{where}.type", "is known only to models of this format")
        known = ("type", "name", "description", "input_schema", "strict", "cache_control")
        name_unknown({name: value for name, value in tool.items() if value is not False}, known, where, dropped)
        name, description = tool.get("name"), tool.get("description") or ""
        if not isinstance(name, str) or not name:
            raise refuse(f"{where}.name", "is required, as text")
        if not isinstance(description, str):
            raise refuse(f"{where}.description", "must be text")
        schema, strict = tool.get("input_schema"), tool.get("strict")
        if schema is not None and not isinstance(schema, dict):
            raise refuse(f"{where}.input_schema", "must be an object")
        if strict is not None and not isinstance(strict, bool):
            raise refuse(f"{where}.strict", "must be true or false")
        yield Tool(name, description, schema, strict, where, f"{where}.input_schema")
        yield from marks(tool, where, dropped)


def _choice(choice: Mapping[str, Any], dropped: list[str]) -> Choice | None:
    if not choice:
        return None
    name_unknown(choice, ("type", "name", "disable_parallel_tool_use"), "tool_choice", dropped)
    kind = choice.get("type")
    if kind == "tool" and isinstance(choice.get("name"), str):
        return Choice("one", choice["name"])
    if not isinstance(kind, str) or kind not in _CHOICES:
        raise refuse("tool_choice", "must be auto, any, none, or a tool by its name")
    return Choice(_CHOICES[kind])  # type: ignore[arg-type]  # the table's words


def _output(wanted: Mapping[str, Any], dropped: list[str]) -> Output | None:
    if not wanted:
        return None
    name_unknown(wanted, ("type", "schema"), "output_config.format", dropped)
    if wanted.get("type") != "json_schema" or not isinstance(wanted.get("schema"), dict):
        raise refuse("output_config.format", "must be a json_schema")
    return Output("schema", wanted["schema"])
