"""Fields that thinking excludes: Anthropic refuses the whole request if it holds both."""

from __future__ import annotations

from typing import Any, Final

from gateway.dialects.neutral import Request

LEAST_BUDGET: Final = 1_024
_LEAST_TOP_P = 0.95
_THOUGHTS = ("thinking", "redacted_thinking")


def settle_thinking(request: Request, body: dict[str, Any], dropped: list[str]) -> None:
    """Put `thinking` into a body that is otherwise complete. It gives way to a tool that must be called, to a cap that
    leaves it no room, and in a loop of tools to an earlier turn that has lost its reasoning. Sampling gives way to it.
    All changes are named in `dropped`."""
    if request.thinking is None:
        return
    path, thinking = request.path("thinking"), dict(request.thinking)
    if thinking.get("type") in ("enabled", "adaptive") and body.get("tool_choice", {}).get("type") in ("any", "tool"):
        dropped.append(path)
        return
    if thinking.get("type") == "enabled":
        budget, most = thinking.get("budget_tokens"), body["max_tokens"] - 1
        if most < LEAST_BUDGET or _lost_its_thoughts(body["messages"]):
            dropped.append(path)
            return
        if isinstance(budget, int) and budget > most:
            dropped.append(f"{path}.budget_tokens")
            thinking["budget_tokens"] = most
    body["thinking"] = thinking
    if thinking.get("type") != "disabled":
        for name in ("temperature", "top_k", "top_p"):
            value = body.get(name)
            if value is None or (name == "temperature" and value == 1) or (name == "top_p" and value >= _LEAST_TOP_P):
                continue
            del body[name]
            dropped.append(request.path(name))


def _lost_its_thoughts(messages: list[dict[str, Any]]) -> bool:
    """Whether the last turn holds tool results, and the reasoning before the calls is missing."""
    last = messages[-1]["content"]
    if len(messages) < 2 or messages[-1]["role"] != "user" or not any(each["type"] == "tool_result" for each in last):
        return False
    return bool(messages[-2]["content"][0]["type"] not in _THOUGHTS)
