"""Converts a chat request into the neutral form, and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from gateway.config.spelling import hint
from gateway.dialects.chat.messages import messages_of, turns_of
from gateway.dialects.chat.policy import DOCUMENTED, check_fields
from gateway.dialects.marks import mark, marks
from gateway.dialects.neutral import Choice, Mark, Output, Request, Tool
from gateway.dialects.unsupported import UNSUPPORTED, name_unknown, refuse
from gateway.dialects.values import mapping

# Fields that have a place in the neutral form; everything else goes into its `rest`.
READ: Final = frozenset(
    (
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "parallel_tool_calls",
        "reasoning_effort",
        "response_format",
        "service_tier",
        "stop",
        "temperature",
        "thinking",
        "tool_choice",
        "tools",
        "top_k",
        "top_p",
    )
)
_THINKING = ("type", "budget_tokens", "display")
_CHOICES: Final = {"auto": "auto", "required": "any", "none": "none"}
_WORDS: Final = {read: written for written, read in _CHOICES.items()}
_TIERS = ("auto", "default")  # the defaults, which need not be sent


def read_request(chat: Mapping[str, Any], *, cap: int | None) -> tuple[Request, list[str]]:
    """The request in a body, and the paths of its fields without effect. `cap` is enforced, whatever the body asks for.
    Raises BadRequest for a field that may not leave, Unsupported for one that the neutral form cannot express."""
    body = {name: value for name, value in chat.items() if value is not None}
    check_fields(body, None)  # a clearer reason than an unknown field
    dropped: list[str] = []
    tools = tuple(_tools(given, dropped)) if (given := body.get("tools")) else ()
    for name in mapping(body["thinking"]) if "thinking" in body else ():
        if name not in _THINKING:
            raise refuse(f"thinking.{name}", UNSUPPORTED + hint(name, _THINKING))
    rest = {name: value for name, value in body.items() if name not in READ}
    for name in rest:
        if name not in DOCUMENTED:
            raise refuse(name, UNSUPPORTED + hint(name, READ | DOCUMENTED))
    stop, tier = body.get("stop") or (), body.get("service_tier")
    request = Request(
        turns=turns_of(body.get("messages", ()), dropped),
        tools=tools,
        choice=_choice(body["tool_choice"], dropped) if "tool_choice" in body else None,
        parallel=body.get("parallel_tool_calls"),
        output=_output(mapping(body["response_format"]), dropped) if "response_format" in body else None,
        cap=cap,
        temperature=body.get("temperature"),
        top_p=body.get("top_p"),
        top_k=body.get("top_k"),
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
        effort=body.get("reasoning_effort"),
        thinking=body.get("thinking"),
        tier=None if tier in _TIERS else tier,
        rest=rest,
    )
    return request, dropped


def _tools(tools: Sequence[Any], dropped: list[str]) -> Iterator[Tool | Mark]:
    for index, given in enumerate(tools):
        tool, where = mapping(given), f"tools[{index}]"
        function = tool.get("function")
        if tool.get("type", "function") not in ("function", None):
            raise refuse(where, "only function tools are supported by this model")
        if not isinstance(function, Mapping):
            raise refuse(f"{where}.function", "is required, as an object")
        here = f"{where}.function"
        name_unknown(tool, ("type", "function", "cache_control"), where, dropped)
        name_unknown(function, ("name", "description", "parameters", "strict", "cache_control"), here, dropped)
        name, description = function.get("name"), function.get("description") or ""
        if not isinstance(name, str) or not name:
            raise refuse(f"{here}.name", "is required, as text")
        if not isinstance(description, str):
            raise refuse(f"{here}.description", "must be text")
        schema = function.get("parameters")
        if schema is not None and not isinstance(schema, dict):
            raise refuse(f"{here}.parameters", "must be an object")
        yield Tool(name, description, schema, _flag(function.get("strict"), f"{here}.strict"), here)
        yield from (*marks(function, here, dropped), *marks(tool, where, dropped))[-1:]


def _flag(value: object, where: str) -> bool | None:
    if value is not None and not isinstance(value, bool):
        raise refuse(where, "must be true or false")
    return value


def _choice(given: Any, dropped: list[str]) -> Choice:
    if isinstance(given, str) and given in _CHOICES:
        return Choice(_CHOICES[given])  # type: ignore[arg-type]  # the table's words
    choice, function = mapping(given), mapping(mapping(given).get("function"))
    if choice.get("type") != "function" or not isinstance(function.get("name"), str):
        raise refuse("tool_choice", "this form is not supported by this model")
    name_unknown(choice, ("type", "function"), "tool_choice", dropped)
    name_unknown(function, ("name",), "tool_choice.function", dropped)
    return Choice("one", function["name"])


def _output(wanted: Mapping[str, Any], dropped: list[str]) -> Output | None:
    kind = wanted.get("type", "text")
    name_unknown(wanted, ("type", "json_schema"), "response_format", dropped)
    if kind in ("text", "json_object"):
        return Output("json") if kind == "json_object" else None
    if kind != "json_schema":
        raise refuse("response_format", "must be text, json_object or json_schema")
    where, given = "response_format.json_schema", mapping(wanted.get("json_schema"))
    if not isinstance(given.get("schema"), dict):
        raise refuse(f"{where}.schema", "missing")
    for name in ("name", "description"):
        if not isinstance(given.get(name) or "", str):
            raise refuse(f"{where}.{name}", "must be text")
    name_unknown(given, ("schema", "name", "description", "strict"), where, dropped)
    strict = _flag(given.get("strict"), f"{where}.strict")
    return Output("schema", given["schema"], given.get("name") or "", given.get("description") or "", strict)


def write_request(request: Request) -> dict[str, Any]:
    """The chat body for this request; chat can express all of the neutral form."""
    fields = {
        "messages": messages_of(request.turns),
        "tools": written_tools(request.tools) or None,
        "tool_choice": None if request.choice is None else written_choice(request.choice),
        "parallel_tool_calls": request.parallel,
        "response_format": written_output(request.output),
        "max_completion_tokens": request.cap,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "top_k": request.top_k,
        "stop": list(request.stop) or None,
        "reasoning_effort": request.effort,
        "thinking": request.thinking,
        "service_tier": request.tier,
    }
    return {**request.rest, **{name: value for name, value in fields.items() if value is not None}}


def written_tools(tools: Sequence[Tool | Mark]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for tool in tools:
        if isinstance(tool, Mark):
            found[-1] |= mark(tool)
            continue
        said = {"description": tool.description or None, "parameters": tool.schema, "strict": tool.strict}
        function = {"name": tool.name, **{name: value for name, value in said.items() if value is not None}}
        found.append({"type": "function", "function": function})
    return found


def written_choice(choice: Choice) -> Any:
    if choice.kind == "one":
        return {"type": "function", "function": {"name": choice.name}}
    return _WORDS[choice.kind]


def written_output(output: Output | None) -> dict[str, Any] | None:
    if output is None:
        return None
    if output.kind == "json":
        return {"type": "json_object"}
    said = {"name": output.name, "description": output.description, "strict": output.strict}
    named = {name: value for name, value in said.items() if value not in (None, "")}
    return {"type": "json_schema", "json_schema": {"schema": output.schema, **named}}
