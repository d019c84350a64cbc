"""The fields of the request that a response repeats, as the format requires."""

from __future__ import annotations

from typing import Any, Final

from gateway.dialects.responses.schema import ResponsesRequest
from gateway.dialects.values import mapping

_ASIS: Final = (
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "prompt_cache_key",
    "safety_identifier",
    "user",
)


def echoed(asked: ResponsesRequest) -> dict[str, Any]:
    """The repeated fields, with defaults for absent ones. Nothing is stored, unless a provider's answer says so."""
    text, reasoning = mapping(asked.text), mapping(asked.reasoning)
    return {
        **{name: getattr(asked, name) for name in _ASIS},
        "background": False,
        "metadata": asked.metadata or {},
        "parallel_tool_calls": asked.parallel_tool_calls is not False,
        "previous_response_id": None,
        "reasoning": {"effort": reasoning.get("effort"), "summary": reasoning.get("summary")},
        "store": False,
        "temperature": 1.0 if asked.temperature is None else asked.temperature,
        "text": {"format": {"type": "text"}, **text},
        "tool_choice": asked.tool_choice or "auto",
        "tools": asked.tools or [],
        "top_logprobs": asked.top_logprobs or 0,
        "top_p": 1.0 if asked.top_p is None else asked.top_p,
        "truncation": asked.truncation or "disabled",
    }
