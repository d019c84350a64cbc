"""Writes the neutral form as the body of Anthropic's Messages, without `model` and delivery, which the vendor adds.

Anything that Messages can't express is refused by its path if it would change the answer's meaning; the rest is
expressed as far as possible, and named. docs/dialects.md has the table, and a test reads it.
API: https://platform.claude.com/docs/en/api/messages
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from gateway.dialects.conversation import JSON_SENTENCE, Conversation, conversation_of
from gateway.dialects.marks import mark, mark_talk
from gateway.dialects.messages.blocks import written
from gateway.dialects.messages.thinking import settle_thinking
from gateway.dialects.names import Names
from gateway.dialects.neutral import Block, Mark, Reasoning, Request, Text, Tool, ToolUse, Turn
from gateway.dialects.rest import CACHING, check_rest, sampling_of
from gateway.dialects.tools import check_choice, check_names, object_schema
from gateway.dialects.unsupported import refuse
from gateway.dialects.written import Written
from gateway.models.vendors import Sampling

LONGEST_NAME: Final = 128  # of a tool
_CHOICES: Final = {"auto": "auto", "any": "any", "one": "tool", "none": "none"}
_EFFORTS: Final = ("low", "medium", "high", "xhigh", "max")


def write_request(request: Request, dropped: list[str], *, sampling: Sampling = "one", marks: str = "") -> Written:
    """Raises Unsupported. `sampling`: whether the model takes `temperature` and `top_p`, one of them, or neither and
    no `top_k` either. `marks`: how long our marks cache a prompt that has none."""
    dropped = list(dropped)
    check_rest(request, dropped, told=CACHING if marks else ())
    if request.cap is None:
        raise refuse(request.path("max_completion_tokens"), "is required for this model")
    check_choice(request)
    check_names(request.tools)
    talk = conversation_of(tuple(_signed(request.turns, dropped)), request.tools, dropped, request.path)
    if request.output is not None and request.output.kind == "json":
        talk.system.append(Text(JSON_SENTENCE))
    mark_talk(talk, marks, dropped)
    names = _names(talk)
    optional = {
        "system": written(talk.system, names),
        "tools": _tools(talk.tools, names),
        "tool_choice": _choice(request, talk, names),
        "output_config": _output_config(request, dropped),
        "stop_sequences": _stop(request, dropped),
    }
    body = {
        "max_tokens": request.cap,
        "messages": [{"role": turn.speaker, "content": written(turn.blocks, names)} for turn in talk.turns],
        **{name: value for name, value in optional.items() if value},
        **sampling_of(request, sampling, dropped),
    }
    if request.tier is not None:
        raise refuse(request.path("service_tier"), "this value is not supported by this model")
    settle_thinking(request, body, dropped)
    places = [[block.at for block in turn.blocks if not isinstance(block, Mark)] for turn in talk.turns]
    system = [block.at for block in talk.system if not isinstance(block, Mark)]
    return Written(body, dropped, names.originals, places, system, request.paths)


def _signed(turns: Iterable[Turn], dropped: list[str]) -> Iterator[Turn]:
    """The turns without unsigned reasoning, which Anthropic refuses."""
    for turn in turns:
        unsigned = [block for block in turn.blocks if isinstance(block, Reasoning) and not block.signature]
        dropped += [block.at for block in unsigned]
        kept = [block for block in turn.blocks if not (isinstance(block, Reasoning) and not block.signature)]
        yield Turn(turn.speaker, tuple(kept), turn.at) if unsigned else turn


def _names(talk: Conversation) -> Names:
    used: list[Block] = [block for turn in talk.turns for block in turn.blocks]
    tools = [tool.name for tool in talk.tools if isinstance(tool, Tool)]
    return Names((*tools, *(block.name for block in used if isinstance(block, ToolUse))), LONGEST_NAME)


def _tools(tools: Sequence[Tool | Mark], names: Names) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for tool in tools:
        if isinstance(tool, Mark):
            found[-1] |= mark(tool)
            continue
        said: dict[str, Any] = {"description": tool.description} if tool.description.strip() else {}
        said |= {"strict": tool.strict} if tool.strict is not None else {}
        found.append({"name": names.of(tool.name), **said, "input_schema": object_schema(tool)})
    return found


def _choice(request: Request, talk: Conversation, names: Names) -> dict[str, Any]:
    if not talk.tools:
        return {}
    choice = request.choice
    kind = choice.kind if choice is not None else "auto"
    one = {"name": names.of(choice.name)} if choice is not None and kind == "one" else {}
    alone = {"disable_parallel_tool_use": True} if request.parallel is False and kind != "none" else {}
    return {"type": _CHOICES[kind], **one, **alone} if choice is not None or alone else {}


def _output_config(request: Request, dropped: list[str]) -> dict[str, Any]:
    config: dict[str, Any] = {}
    effort, path = request.effort, request.path("reasoning_effort")
    if effort in ("minimal", "none"):
        dropped.append(path)
        effort = "low" if effort == "minimal" else None
    if effort:
        if effort not in _EFFORTS:
            raise refuse(path, f"must be one of {', '.join(_EFFORTS)} for this model")
        config["effort"] = effort
    output = request.output
    if output is not None and output.kind == "schema":
        where = request.path("response_format.json_schema.strict").rpartition(".")[0]
        if output.description:
            dropped.append(f"{where}.description")
        if output.strict is False:
            dropped.append(f"{where}.strict")  # a schema is always enforced
        config["format"] = {"type": "json_schema", "schema": output.schema}
    return config


def _stop(request: Request, dropped: list[str]) -> list[str]:
    dropped += [f"{request.path('stop')}[{at}]" for at, text in enumerate(request.stop) if not text.strip()]
    return [text for text in request.stop if text.strip()]
