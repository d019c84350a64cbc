"""Which fields of a Messages request may leave, for whom: one table.

A field is refused by its path, whatever its value, if it has a price apart from tokens or another price than the
model's own, names another model, or brings in content that the body does not hold. Null counts as absent. Content by
URL (an image, a pdf) passes: the model's window bounds it. All other fields of Anthropic pass: they cost nothing, or
the estimate prices them. Unknown fields pass to Anthropic itself; another host gets them only if its operator lists
them.

`tests/unit/dialects/test_messages_policy.py` says of each field of Anthropic's SDK which of these it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any, Final

from gateway.config.spelling import hint
from gateway.dialects.rest import UNKNOWN, UNLISTED
from gateway.errors import BadRequest

_PAID = "has a cost without a known price, so it can't be billed"
_NAMES = "names other models than the one that was asked for"
_ABSENT = "brings in content that the body does not contain, so its cost is unknown"
_HIDDEN = "may hold any field under another name"
_CAP = "sets an output cap in addition to max_tokens"
_ELSEWHERE = "says where the request goes, which only the gateway decides"
_AGAIN = "lets the model run more than once, so it can't be billed"

# By name in lower case. Those of Anthropic's API are marked; the others belong to gateways and routers.
REFUSED: Final[Mapping[str, str]] = {
    "billing_policy": _PAID,  # Anthropic
    "compaction": _AGAIN,  # Anthropic
    "container": _ABSENT,  # Anthropic: files of an earlier call, paid by the hour
    "fallback_credit_token": _PAID,  # Anthropic
    "fallbacks": _NAMES,  # Anthropic
    "inference_geo": _ELSEWHERE,  # Anthropic: some regions have their own price
    "mcp_servers": _ABSENT,  # Anthropic: third-party servers, called during the answer
    "thread": _ABSENT,  # Anthropic: an earlier conversation
    "user_profile_id": _ELSEWHERE,  # Anthropic: a header by which another may be billed
    "workspace_id": _ELSEWHERE,  # Anthropic: a header
    "api_base": _ELSEWHERE,
    "api_key": _ELSEWHERE,
    "base_url": _ELSEWHERE,
    "extra_body": _HIDDEN,
    "extra_headers": _ELSEWHERE,
    "extra_query": _ELSEWHERE,
    "max_completion_tokens": _CAP,
    "max_output_tokens": _CAP,
    "max_tokens_to_sample": _CAP,
    "models": _NAMES,
    "n": _AGAIN,
    "plugins": _PAID,
    "provider": _NAMES,
    "route": _NAMES,
}
# Anthropic's fields except those refused above: every host may get these.
DOCUMENTED: Final = frozenset(
    (
        "cache_control",
        "context_management",
        "diagnostics",
        "max_tokens",
        "messages",
        "metadata",
        "model",
        "output_config",
        "service_tier",
        "speed",
        "stop_sequences",
        "stream",
        "system",
        "temperature",
        "thinking",
        "tool_choice",
        "tools",
        "top_k",
        "top_p",
    )
)
# Headers that some clients put into the body. They are taken out, and added again if a host wants them there.
OF_HEADERS: Final = frozenset(("anthropic_beta", "anthropic_version", "betas"))
# Tools that the caller runs. The provider runs any other, for a fee per use or with content from elsewhere.
_OWN_TOOLS: Final = ("bash_", "text_editor_", "computer_", "memory_", "browser_toolset_")
_OF_MODELS: Final = ("fallbacks", "model", "models")
# Tool runners of Anthropic's own package send a `thread` unasked. When told that this provider does not support
# threads, they send the whole conversation.
_UNTHREADED: Final = {"details": {"error_code": "thread_unsupported_request", "unsupported": ["thread"]}}
_EDITS: Final = ("clear_",)  # any other edit of the context runs a model


def check_fields(body: Mapping[str, Any], passed: frozenset[str] | None) -> None:
    """Raises BadRequest with the path of the first field that may not leave. `passed`: what the host's operator lists
    beyond Anthropic's own fields; None if every unknown field may pass."""
    present = {name: value for name, value in body.items() if value is not None}
    for name in present:
        reason = REFUSED.get(name.casefold())
        if reason is None and name not in DOCUMENTED and name.casefold() in DOCUMENTED:
            reason = UNKNOWN + hint(name, DOCUMENTED)
        if reason is None and passed is not None and name not in DOCUMENTED | OF_HEADERS | passed:
            reason = UNLISTED + hint(name, DOCUMENTED | passed)
        if reason is not None:
            raise _refused(name, reason)
    inside = (_of_speed(present), _of_tools(present.get("tools")), _of_edits(present.get("context_management")))
    for where, reason in (*chain(*inside), *_of_content(present)):
        raise _refused(where, reason)


def runs_here(tool: Mapping[str, Any]) -> bool:
    """Whether the caller runs the tool itself."""
    kind = tool.get("type")
    return kind in (None, "custom") or (isinstance(kind, str) and kind.startswith(_OWN_TOOLS))


def _of_speed(present: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if present.get("speed") not in (None, "standard"):
        yield "speed", _PAID  # several times the price


def _of_tools(tools: Any) -> Iterator[tuple[str, str]]:
    for number, tool in enumerate(tools or ()):
        if not runs_here(tool):
            yield f"tools[{number}].type", _PAID
        for name in _OF_MODELS:
            if tool.get(name) is not None:
                yield f"tools[{number}].{name}", _NAMES


def _of_edits(management: Any) -> Iterator[tuple[str, str]]:
    said = management if isinstance(management, Mapping) else {}
    for name, value in said.items():
        if value is not None and (name != "edits" or not isinstance(value, list)):
            yield f"context_management.{name}", _AGAIN
    edits = said.get("edits")
    for number, edit in enumerate(edits if isinstance(edits, list) else ()):
        kind = edit.get("type") if isinstance(edit, Mapping) else None
        if not isinstance(kind, str) or not kind.startswith(_EDITS):
            yield f"context_management.edits[{number}].type", _AGAIN


def links_in(body: Mapping[str, Any]) -> Iterator[str]:
    """The paths of images and documents by URL."""
    for where, block in _blocks(body):
        source = block.get("source")
        if isinstance(source, Mapping) and source.get("type") == "url":
            yield f"{where}.source"


def _of_content(present: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for where, block in _blocks(present):
        source = block.get("source")
        if block.get("type") == "container_upload":
            yield f"{where}.type", _ABSENT
        if isinstance(source, Mapping) and (source.get("type") == "file" or source.get("file_id") is not None):
            yield f"{where}.source", _ABSENT  # it may belong to any user of this gateway with files there


def _blocks(body: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """All blocks with their paths, including those within others."""
    homes = [(body.get("system"), "system")]
    for number, message in enumerate(body.get("messages") or ()):
        homes.append((message.get("content") if isinstance(message, Mapping) else None, f"messages[{number}].content"))
    for home in homes:
        waiting: list[tuple[Any, str]] = [home]
        while waiting:
            blocks, above = waiting.pop()
            for index, block in enumerate(blocks if isinstance(blocks, list) else ()):
                if isinstance(block, Mapping):
                    here, source = f"{above}[{index}]", block.get("source")
                    yield here, block
                    waiting.append((block.get("content"), f"{here}.content"))
                    if isinstance(source, Mapping):
                        waiting.append((source.get("content"), f"{here}.source.content"))


def _refused(path: str, reason: str) -> BadRequest:
    path = path[:128]
    details = _UNTHREADED if path == "thread" else None
    return BadRequest(f"{path}: {reason}", param=path, code="unsupported_parameter", details=details)
