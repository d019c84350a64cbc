"""Which fields of a chat request may leave, for whom: one table.

A field is refused by its path, whatever its value, if it has a price apart from tokens, names another model, brings in
content that the body does not hold, or bypasses the enforced output cap. Null counts as absent. All other fields of
OpenAI pass: they cost nothing, or `gateway.calls.estimate` prices or bounds them. Unknown fields pass to OpenAI itself;
another host gets them only if its operator lists them.

`tests/unit/dialects/test_policy.py` says of each field of OpenAI's SDK, at every depth, which of these it is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from itertools import chain
from typing import Any, Final

from gateway.config.spelling import hint
from gateway.dialects.rest import ABSENT, CAP, NAMES, OF_ROUTERS, OUTLIVES, PAID, UNKNOWN, UNLISTED
from gateway.errors import BadRequest

# By name in lower case. Chat's own fields are marked; the rest belong to OpenAI's other format.
REFUSED: Final[Mapping[str, str]] = {
    **OF_ROUTERS,
    "audio": PAID,  # OpenAI: speech has its own price
    "web_search_options": PAID,  # OpenAI: a fee per search
    "moderation": NAMES,  # OpenAI: runs a model that it names
    "conversation": ABSENT,
    "previous_response_id": ABSENT,
    "prompt": ABSENT,
    "background": OUTLIVES,
    "max_output_tokens": CAP,
}
# OpenAI's chat fields except those refused above: every host may get these.
DOCUMENTED: Final = frozenset(
    (
        "frequency_penalty",
        "function_call",
        "functions",
        "logit_bias",
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "metadata",
        "modalities",
        "model",
        "n",
        "parallel_tool_calls",
        "prediction",
        "presence_penalty",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "reasoning_effort",
        "response_format",
        "safety_identifier",
        "seed",
        "service_tier",
        "stop",
        "store",
        "stream",
        "stream_options",
        "temperature",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
        "user",
        "verbosity",
    )
)
_OWN_CODE = ("function", "custom")  # tools that the caller runs; the provider runs any other, for a fee per use
_TOOL = frozenset(("type", "function", "custom", "cache_control"))
# Objects in which a vendor reads every field: these may not name a model or a paid feature either.
_INNER: Final = ("stream_options", "prompt_cache_options", "prediction", "response_format", "thinking", "reasoning")
_PLAIN: Final = DOCUMENTED - {"modalities", "tools", "tool_choice", *_INNER}  # fields that may leave as they are
_INNER_NAMES: Final = frozenset((*REFUSED, "model")) - {"parameters", "options"}
# In a message and its parts. Content that other types of parts refer to is bounded by the model's window.
_BRINGS: Final = frozenset(name for name, reason in REFUSED.items() if reason is ABSENT)
_USUAL: Final = frozenset(("role", "content", "name", "tool_calls", "tool_call_id", "refusal"))  # they bring nothing in
_HELD: Final = frozenset(("text", "refusal", "image_url", "input_audio"))
_USUAL_TTL = (None, "30m")


def check_fields(body: Mapping[str, Any], passed: Collection[str] | None) -> None:
    """Raises BadRequest with the path of the first field that may not leave. `passed`: what the host's operator lists
    beyond OpenAI's own fields; None if every unknown field may pass."""
    if body.keys() <= _PLAIN:
        for message in body.get("messages") or ():
            if not message.keys() <= _USUAL or isinstance(message.get("content"), list):
                break  # it has fields or parts that may bring something in
        else:
            return  # as most are: nothing in it has to be looked at
    present = {name: value for name, value in body.items() if value is not None}
    for name in present:
        if name in DOCUMENTED:
            continue
        reason = REFUSED.get(name.casefold())
        if reason is None and name.casefold() in DOCUMENTED:
            reason = UNKNOWN + hint(name, DOCUMENTED)
        if reason is not None:
            raise _refused(name, reason)
    if any(each != "text" for each in present.get("modalities") or ()):
        raise _refused("modalities", PAID)
    inside = (_of_tools(present.get("tools")), _of_choice(present.get("tool_choice")), _of_inner(present))
    for where, name, reason in chain(*inside, _of_messages(present.get("messages"))):
        raise _refused(f"{where}.{name[:64]}", reason)
    if passed is not None:
        _check_known(present, frozenset(passed))


def _of_tools(tools: Any) -> Iterator[tuple[str, str, str]]:
    for number, tool in enumerate(tools or ()):
        where = f"tools[{number}]"
        if tool.get("type", "function") not in _OWN_CODE:
            yield where, "type", PAID
        for name, value in tool.items():
            if value is not None and name not in _TOOL and name.casefold() in _INNER_NAMES:
                yield where, name, REFUSED.get(name.casefold(), NAMES)


def _of_choice(choice: Any) -> Iterator[tuple[str, str, str]]:
    if not isinstance(choice, dict):
        return
    if choice.get("type", "function") not in (*_OWN_CODE, "allowed_tools"):
        yield "tool_choice", "type", PAID
    allowed = choice.get("allowed_tools")
    tools = allowed.get("tools") if isinstance(allowed, Mapping) else None
    for number, tool in enumerate(tools if isinstance(tools, list) else ()):
        if not isinstance(tool, Mapping) or tool.get("type") not in _OWN_CODE:
            yield f"tool_choice.allowed_tools.tools[{number}]", "type", PAID


def _of_messages(messages: Any) -> Iterator[tuple[str, str, str]]:
    for number, message in enumerate(messages or ()):
        if not message.keys() <= _USUAL:
            yield from _brought(f"messages[{number}]", message)
        content = message.get("content")
        if isinstance(content, list):
            for index, part in enumerate(content):
                yield from _of_part(f"messages[{number}].content[{index}]", part)


def _of_part(where: str, part: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    if part.get("type") in _HELD:
        yield from _brought(where, part)
        yield from _brought(f"{where}.image_url", part.get("image_url"))
    point = part.get("prompt_cache_breakpoint")
    if isinstance(point, Mapping) and point.get("ttl") not in _USUAL_TTL:
        yield f"{where}.prompt_cache_breakpoint", "ttl", PAID  # a longer time costs more to write


def _brought(where: str, holder: Any) -> Iterator[tuple[str, str, str]]:
    for name, value in holder.items() if isinstance(holder, Mapping) else ():
        if value is not None and name.casefold() in _BRINGS:
            yield where, name, ABSENT


def _of_inner(present: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for where in _INNER:
        if where not in present:
            continue
        inside = present[where]
        for name, value in inside.items() if isinstance(inside, Mapping) else ():
            if value is not None and name.casefold() in _INNER_NAMES:
                yield where, name, REFUSED.get(name.casefold(), NAMES)


def _check_known(present: Mapping[str, Any], passed: frozenset[str]) -> None:
    for name in present:
        if name not in DOCUMENTED and name not in passed:
            raise _refused(name, UNLISTED + hint(name, DOCUMENTED | passed))
    for number, tool in enumerate(present.get("tools") or ()):
        for name, value in tool.items():
            if value is not None and name not in _TOOL and f"tools.{name}" not in passed:
                raise _refused(f"tools[{number}].{name[:64]}", UNLISTED + hint(name, _TOOL))


def _refused(path: str, reason: str) -> BadRequest:
    path = path[:128]
    return BadRequest(f"{path}: {reason}", param=path, code="unsupported_parameter")
