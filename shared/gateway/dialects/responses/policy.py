"""Which fields of a Responses request may leave, for whom: one table.

A field is refused by its path if it has a price apart from tokens or another price than the model's own, names another
model, brings in content that the body does not hold, or lets a call outlive its answer. Null counts as absent. All
other fields pass: they cost nothing, or the estimate prices or bounds them. Unknown fields pass to the vendor that
defines the format; another host gets them only if its operator lists them.

Tools that the provider runs have their own price. Agents offer two of them without being asked. With tools of the
caller's own these two are left out and named; alone, or if chosen, they are refused like the others.

`tests/unit/dialects/test_responses_policy.py` says of each field of OpenAI's SDK which of these it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any, Final

from gateway.config.spelling import hint
from gateway.dialects.rest import ABSENT, CAP, MANY, NAMES, OF_ROUTERS, OUTLIVES, PAID, UNKNOWN, UNLISTED
from gateway.dialects.values import mapping, objects
from gateway.errors import BadRequest

_AGAIN = "lets the model run more than once, so it can't be billed"

NOT_STORED: Final = (
    "The gateway stores nothing, and reads nothing that a provider stored. Send the whole conversation in input, with "
    "each item of earlier answers unchanged (of reasoning, its encrypted_content)."
)
_STORED: Final = f"{ABSENT}. {NOT_STORED}"
# By name in lower case. Those of the format itself are marked; the rest belong to chat and others.
REFUSED: Final[Mapping[str, str]] = {
    **OF_ROUTERS,
    "background_options": OUTLIVES,  # of the format
    "context_management": _AGAIN,  # of the format: compacts in the middle of an answer
    "conversation": _STORED,  # of the format
    "moderation": NAMES,  # of the format: runs a model that it names
    "prompt": _STORED,  # of the format: a template that is kept by its id
    "audio": PAID,
    "max_completion_tokens": CAP,
    "max_tokens": CAP,
    "n": MANY,
    "web_search_options": PAID,
}
# Fields of the format except those refused above: every host may get these.
DOCUMENTED: Final = frozenset(
    (
        "access_programs",
        "background",
        "image",
        "include",
        "input",
        "instructions",
        "max_output_tokens",
        "max_tool_calls",
        "metadata",
        "model",
        "parallel_tool_calls",
        "previous_response_id",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "reasoning",
        "safety_identifier",
        "service_tier",
        "store",
        "stream",
        "stream_options",
        "temperature",
        "text",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
        "truncation",
        "user",
    )
)
# An agent's notes about itself, sent in every request. The format does not document them, they ask for nothing, and
# they name an installation and its sessions: they stay here.
NOTES: Final = frozenset(("client_metadata",))
# Tools that the caller runs. The provider runs all others, for a fee per use or with content from elsewhere.
OWN_TOOLS: Final = frozenset(("function", "custom", "namespace", "local_shell", "apply_patch"))
OFFERED: Final = ("web_search", "image_generation")  # prefixes of the types that agents offer unasked
_WITHIN: Final = ("function", "custom")  # in a namespace
_CHOICES: Final = (*_WITHIN, "allowed_tools", "apply_patch", "shell", "local_shell", "namespace", "tool_search")
# Objects in which a vendor reads every field.
_INNER: Final = ("access_programs", "image", "prompt_cache_options", "reasoning", "stream_options", "text")
_INNER_NAMES: Final = frozenset((*REFUSED, "model")) - {"parameters", "options"}
_REFERS: Final[Mapping[str, str]] = {
    "item_reference": _STORED,
    "mcp_approval_response": PAID,
    "compaction_trigger": _AGAIN,
}
_USUAL_TTL = (None, "30m")


def check_fields(body: Mapping[str, Any], passed: frozenset[str] | None) -> None:
    """Raises BadRequest with the path of the first field that may not leave. `passed`: what the host's operator lists
    beyond the format's own fields; None if every unknown field may pass."""
    present = {name: value for name, value in body.items() if value is not None and name not in NOTES}
    for name in present:
        reason = REFUSED.get(name.casefold())
        if reason is None and name not in DOCUMENTED and name.casefold() in DOCUMENTED:
            reason = UNKNOWN + hint(name, DOCUMENTED)
        if reason is None and passed is not None and name not in DOCUMENTED | passed:
            reason = UNLISTED + hint(name, DOCUMENTED | passed)
        if reason is not None:
            raise _refused(name, reason)
    if present.get("background", False) is not False:
        raise _refused("background", "the answer comes in the same call; leave the field out, and stream")
    if "previous_response_id" in present:
        id = str(present["previous_response_id"])[:64]
        message = f"previous_response_id: Previous response with id '{id}' not found. {NOT_STORED}"
        raise BadRequest(message, param="previous_response_id", code="previous_response_not_found")
    inside = (_of_tools(present), _of_choice(present.get("tool_choice")), _of_inner(present), _of_input(present))
    for where, reason in chain(*inside):
        raise _refused(where, reason)


def left_out(body: Mapping[str, Any]) -> list[int]:
    """The numbers of the tools that are left out: those that an agent offers together with its own."""
    tools = objects(body.get("tools"))
    if not any(_runs_here(tool) for tool in tools):
        return []
    return [at for at, tool in enumerate(tools) if is_offered(tool)]


def is_offered(tool: Mapping[str, Any]) -> bool:
    """Whether the tool is one of those that may be left out."""
    kind = tool.get("type")
    return isinstance(kind, str) and kind.startswith(OFFERED)


def _runs_here(tool: Mapping[str, Any]) -> bool:
    kind = tool.get("type")
    if kind == "shell":
        return mapping(tool.get("environment")).get("type") == "local"
    if kind == "tool_search":
        return tool.get("execution") == "client"
    return isinstance(kind, str) and kind in OWN_TOOLS


def _of_tools(present: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    gone = left_out(present)
    for number, tool in enumerate(objects(present.get("tools"))):
        if number not in gone:
            yield from _of_tool(tool, f"tools[{number}]")


def _of_tool(tool: Mapping[str, Any], where: str) -> Iterator[tuple[str, str]]:
    if not _runs_here(tool):
        yield f"{where}.type", PAID
    for name, value in tool.items():
        if value is not None and name.casefold() in _INNER_NAMES:
            yield f"{where}.{name[:64]}", REFUSED.get(name.casefold(), NAMES)
    if tool.get("type") == "namespace":
        for number, inner in enumerate(objects(tool.get("tools"))):
            if inner.get("type") not in _WITHIN:
                yield f"{where}.tools[{number}].type", PAID


def _of_choice(choice: Any) -> Iterator[tuple[str, str]]:
    if not isinstance(choice, Mapping):
        return
    if choice.get("type") not in _CHOICES:
        yield "tool_choice.type", PAID
    for number, tool in enumerate(objects(choice.get("tools"))):
        if tool.get("type") not in _CHOICES:
            yield f"tool_choice.tools[{number}].type", PAID


def _of_inner(present: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for where in _INNER:
        for name, value in mapping(present.get(where)).items():
            if value is not None and name.casefold() in _INNER_NAMES:
                yield f"{where}.{name[:64]}", REFUSED.get(name.casefold(), NAMES)
    if mapping(present.get("reasoning")).get("mode") not in (None, "standard"):
        yield "reasoning.mode", PAID
    if mapping(present.get("prompt_cache_options")).get("comparison_response_id") is not None:
        yield "prompt_cache_options.comparison_response_id", ABSENT  # it may belong to any caller of this gateway


def _of_input(present: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    given = present.get("input")
    for number, each in enumerate(given if isinstance(given, list) else ()):
        item, where = mapping(each), f"input[{number}]"
        kind = item.get("type") or ("message" if "role" in item else "item_reference")
        if isinstance(kind, str) and kind in _REFERS:
            yield f"{where}.type", _REFERS[kind]
        if kind == "additional_tools" or kind == "tool_search_output":
            for at, tool in enumerate(objects(item.get("tools"))):
                yield from _of_tool(tool, f"{where}.tools[{at}]")
        for name in ("content", "output"):
            held = item.get(name)
            for at, part in enumerate(objects(held)):
                yield from _of_part(part, f"{where}.{name}[{at}]")
            if isinstance(held, Mapping):
                yield from _of_part(held, f"{where}.{name}")


def _of_part(part: Mapping[str, Any], where: str) -> Iterator[tuple[str, str]]:
    if part.get("file_id") is not None:
        yield f"{where}.file_id", ABSENT
    if mapping(part.get("prompt_cache_breakpoint")).get("ttl") not in _USUAL_TTL:
        yield f"{where}.prompt_cache_breakpoint.ttl", PAID  # a longer time costs more to write


def _refused(path: str, reason: str) -> BadRequest:
    path = path[:128]
    return BadRequest(f"{path}: {reason}", param=path, code="unsupported_parameter")
