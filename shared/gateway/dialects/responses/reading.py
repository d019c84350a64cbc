"""Reads a Responses body into the neutral form. Anything without a place there is refused by its path, or named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec import Struct

from gateway.config.spelling import hint
from gateway.dialects.neutral import Choice, Output, Request, Text, Tool, Turn
from gateway.dialects.responses.given.items import turns_of
from gateway.dialects.responses.given.thinking import effort_of, sampled, thinking_of
from gateway.dialects.responses.policy import DOCUMENTED, NOTES, check_fields, left_out
from gateway.dialects.responses.tools import SEARCH, Called, read_tool
from gateway.dialects.unsupported import UNSUPPORTED, name_unknown, refuse
from gateway.dialects.values import mapping, objects
from gateway.models.vendors import Thinking

# The fields' names, by chat's names for them.
PATHS: Final[Mapping[str, str]] = {
    "max_completion_tokens": "max_output_tokens",
    "messages": "input",
    "reasoning_effort": "reasoning.effort",
    "response_format": "text.format",
    "response_format.json_schema.strict": "text.format.strict",
    "thinking": "reasoning",
    "verbosity": "text.verbosity",
}
# Fields that have a place in the neutral form, and those of delivery.
_READ: Final = frozenset(
    (
        "input",
        "instructions",
        "max_output_tokens",
        "model",
        "parallel_tool_calls",
        "reasoning",
        "service_tier",
        "stream",
        "stream_options",
        "temperature",
        "text",
        "tool_choice",
        "tools",
        "top_p",
    )
)
# Fields that chat has too, under the same names.
_SHARED: Final = frozenset(
    (
        "metadata",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "safety_identifier",
        "store",
        "user",
    )
)
# Values that ask for nothing that another dialect lacks. Other values of some fields are left out.
_NEUTRAL: Final[Mapping[str, tuple[Any, ...]]] = {
    "access_programs": ({},),
    "background": (False,),
    "image": ({},),
    "include": ([],),
    "top_logprobs": (0,),
    "truncation": ("disabled",),
}
_LEFT_OUT: Final = NOTES | {"access_programs", "image", "truncation"}
# Every other value of `include` belongs to tools that no request has here, or is given anyway.
_LOGPROBS: Final = "message.output_text.logprobs"
_CHOICES: Final = {"auto": "auto", "required": "any", "none": "none"}
_TIERS: Final = ("auto", "default")


class _Tools(Struct, frozen=True):
    """`chosen` are those that may be called: those of `allowed_tools` if it is given, else all."""

    known: dict[str, Called]
    chosen: list[Tool]


def read_request(given: Mapping[str, Any], *, cap: int, thinking: Thinking = "") -> tuple[Request, list[str]]:
    """The request in a body, and the paths of its fields without effect. `cap` is enforced, whatever the body asks for;
    `thinking` is how to ask the model to think, if the effort does not say so. Raises BadRequest for fields that may
    not leave, Unsupported for those that the neutral form can't express."""
    body = {name: value for name, value in given.items() if value is not None}
    check_fields(body, None)
    dropped: list[str] = []
    rest = dict(_rest(body, dropped))
    text, reasoning = mapping(body.get("text")), mapping(body.get("reasoning"))
    name_unknown(text, ("format", "verbosity"), "text", dropped)
    if text.get("verbosity") not in (None, "low", "medium", "high"):
        raise refuse("text.verbosity", "must be low, medium or high")
    if text.get("verbosity") not in (None, "medium"):
        rest["verbosity"] = text["verbosity"]
    effort = _effort(reasoning, dropped)
    items = body["input"] if isinstance(body["input"], list) else [{"role": "user", "content": body["input"]}]
    turns = [*_instructions(body), *turns_of(items, dropped)]
    tools = _tools(body, dropped)
    choice = _choice(body.get("tool_choice"), tools, dropped)
    tier = body.get("service_tier")
    thought = thinking_of(reasoning, thinking, cap=cap, choice=choice, turns=turns, dropped=dropped)
    request = Request(
        turns=tuple(turns),
        tools=tuple(tools.chosen),
        choice=choice,
        parallel=body.get("parallel_tool_calls"),
        output=_output(mapping(text.get("format")), dropped),
        cap=cap,
        temperature=sampled("temperature", body.get("temperature"), thought, dropped),
        top_p=sampled("top_p", body.get("top_p"), thought, dropped),
        effort=effort_of(effort, thinking),
        thinking=thought,
        tier=None if tier in _TIERS else tier,
        rest=rest,
        paths=PATHS,
        called={flat: each.told for flat, each in tools.known.items() if each.told != flat},
    )
    return request, dropped


def _rest(body: Mapping[str, Any], dropped: list[str]) -> Iterator[tuple[str, Any]]:
    for name, value in body.items():
        if name in _READ or name == "max_tool_calls" or value in _NEUTRAL.get(name, ()):
            continue
        if name == "include":
            if _LOGPROBS in value:
                raise refuse(f"include[{value.index(_LOGPROBS)}]", "not supported by this model")
        elif name in _SHARED:
            yield name, value
        elif name in _LEFT_OUT:
            dropped.append(name)
        else:
            raise refuse(name, UNSUPPORTED + hint(name, DOCUMENTED))


def _effort(reasoning: Mapping[str, Any], dropped: list[str]) -> str | None:
    known = ("effort", "summary", "generate_summary", "mode", "context")
    name_unknown(reasoning, known, "reasoning", dropped)
    if reasoning.get("context") not in (None, "auto"):
        dropped.append("reasoning.context")
    effort = reasoning.get("effort")
    if effort is not None and not isinstance(effort, str):
        raise refuse("reasoning.effort", "must be text")
    return effort


def _instructions(body: Mapping[str, Any]) -> Iterator[Turn]:
    if body.get("instructions"):
        yield Turn("system", (Text(body["instructions"], at="instructions"),), "instructions")


def _tools(body: Mapping[str, Any], dropped: list[str]) -> _Tools:
    known: dict[str, Called] = {}
    tools: list[Tool] = []
    for where, given in _told(body, dropped):
        for called, tool in read_tool(given, where, dropped):
            if known.get(called.flat) == called and where.startswith("input"):
                continue  # a later search found it again
            known[called.flat] = called
            tools.append(tool)
    return _Tools(known, tools)


def _told(body: Mapping[str, Any], dropped: list[str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The tools of the request, and those that the conversation's tool searches found."""
    gone = left_out(body)
    for at, tool in enumerate(objects(body.get("tools"))):
        if at in gone:
            dropped.append(f"tools[{at}]")
        else:
            yield f"tools[{at}]", tool
    for number, item in enumerate(objects(body["input"])):
        if item.get("type") in ("additional_tools", "tool_search_output"):
            yield from ((f"input[{number}].tools[{at}]", tool) for at, tool in enumerate(objects(item.get("tools"))))


def _choice(given: Any, tools: _Tools, dropped: list[str]) -> Choice | None:
    if given is None:
        return None
    if isinstance(given, str) and given in _CHOICES:
        return Choice(_CHOICES[given])  # type: ignore[arg-type]  # the table's words
    choice = mapping(given)
    if choice.get("type") == "allowed_tools":
        return _allowed(choice, tools, dropped)
    return Choice("one", _named(choice, tools, "tool_choice"))


def _allowed(choice: Mapping[str, Any], tools: _Tools, dropped: list[str]) -> Choice:
    """A choice among some tools: the model gets only these."""
    name_unknown(choice, ("type", "mode", "tools"), "tool_choice", dropped)
    mode = choice.get("mode", "auto")
    if mode not in ("auto", "required"):
        raise refuse("tool_choice.mode", "must be auto or required")
    allowed = objects(choice.get("tools"))
    wanted = {_named(each, tools, f"tool_choice.tools[{at}]") for at, each in enumerate(allowed)}
    tools.chosen[:] = [tool for tool in tools.chosen if tool.name in wanted]
    return Choice(_CHOICES[mode])  # type: ignore[arg-type]  # the table's words


def _named(chosen: Mapping[str, Any], tools: _Tools, where: str) -> str:
    kind, name, namespace = (chosen.get(each) for each in ("type", "name", "namespace"))
    if kind == SEARCH:
        name = SEARCH
    for flat, called in tools.known.items():
        if called.kind == kind and called.name == name and (namespace is None or called.namespace == namespace):
            return flat
    raise refuse(where, "names no tool of this request" if isinstance(name, str) else "is not supported by this model")


def _output(wanted: Mapping[str, Any], dropped: list[str]) -> Output | None:
    kind = wanted.get("type", "text")
    if kind in ("text", "json_object"):
        name_unknown(wanted, ("type",), "text.format", dropped)
        return Output("json") if kind == "json_object" else None
    if kind != "json_schema":
        raise refuse("text.format.type", "must be text, json_object or json_schema")
    name_unknown(wanted, ("type", "name", "description", "schema", "strict"), "text.format", dropped)
    if not isinstance(wanted.get("schema"), dict):
        raise refuse("text.format.schema", "missing")
    for name in ("name", "description"):
        if not isinstance(wanted.get(name) or "", str):
            raise refuse(f"text.format.{name}", "must be text")
    strict = wanted.get("strict")
    if strict is not None and not isinstance(strict, bool):
        raise refuse("text.format.strict", "must be true or false")
    return Output("schema", wanted["schema"], wanted.get("name") or "", wanted.get("description") or "", strict)
