"""Which fields of a chat request may leave, for whom: one table.

A field that is paid for apart from tokens, that names another model, or that goes around the enforced output cap is
refused by its name, whatever its value; null is as good as absent. All else of OpenAI's own fields passes. What nobody
here has heard of passes to OpenAI itself; another host gets it only where its operator lists it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway.errors import BadRequest

_PAID = "costs what no price here says, so it can't be billed"
_NAMES = "names other models than the one that was asked for"
_HIDDEN = "may hold any field under another name"
_CAP = "sets an output cap beside max_tokens"
_MANY = "asks for more answers than n says"
_ELSEWHERE = "says where the request goes, which is the gateway's to decide"

# By name in small letters: some servers (Go's) take any case. OpenAI's own are marked; the others are those of hosts
# and routers that speak its API: OpenRouter, LiteLLM, vLLM, xAI, DashScope, Perplexity, Mistral, Ollama.
REFUSED: Final[Mapping[str, str]] = {
    "audio": _PAID,  # OpenAI: speech has a price of its own
    "web_search_options": _PAID,  # OpenAI: a fee a search
    "moderation": _NAMES,  # OpenAI: runs a model that it names
    "container": _PAID,
    "enable_search": _PAID,
    "mcp_servers": _PAID,
    "plugins": _PAID,
    "search_mode": _PAID,
    "search_options": _PAID,
    "search_parameters": _PAID,
    "tool_resources": _PAID,
    "web_search": _PAID,
    "web_search_config": _PAID,
    "context_window_fallback_dict": _NAMES,
    "default_fallbacks": _NAMES,
    "deployment_id": _NAMES,
    "draft_model": _NAMES,
    "engine": _NAMES,
    "fallback_models": _NAMES,
    "fallbacks": _NAMES,
    "lora": _NAMES,
    "lora_request": _NAMES,
    "model_id": _NAMES,
    "model_info": _NAMES,
    "model_list": _NAMES,
    "model_name": _NAMES,
    "models": _NAMES,
    "preset": _NAMES,
    "provider": _NAMES,
    "route": _NAMES,
    "router": _NAMES,
    "speculative_model": _NAMES,
    "extra_body": _HIDDEN,
    "litellm_metadata": _HIDDEN,
    "litellm_params": _HIDDEN,
    "optional_params": _HIDDEN,
    "options": _HIDDEN,
    "parameters": _HIDDEN,
    "max_completion_len": _CAP,
    "max_gen_len": _CAP,
    "max_gen_toks": _CAP,
    "max_length": _CAP,
    "max_new_tokens": _CAP,
    "max_output_tokens": _CAP,
    "max_tokens_to_sample": _CAP,
    "maxtokens": _CAP,
    "num_predict": _CAP,
    "best_of": _MANY,
    "num_completions": _MANY,
    "num_generations": _MANY,
    "use_beam_search": _MANY,
    "api_base": _ELSEWHERE,
    "api_key": _ELSEWHERE,
    "api_version": _ELSEWHERE,
    "base_url": _ELSEWHERE,
    "custom_llm_provider": _ELSEWHERE,
    "extra_headers": _ELSEWHERE,
    "extra_query": _ELSEWHERE,
}
# OpenAI's chat fields, but for those refused above: what every host may get.
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
_OWN_CODE = ("function", "custom")  # tools that the caller runs; any other is run by the provider, for a fee a use
_TOOL = frozenset(("type", "function", "custom", "cache_control"))
# Objects whose every field a vendor reads as its own: nothing in them may name a model or a paid thing either.
_INNER: Final = ("stream_options", "prompt_cache_options", "prediction", "response_format", "thinking", "reasoning")
_INNER_NAMES: Final = frozenset((*REFUSED, "model")) - {"parameters", "options"}


def check_fields(body: Mapping[str, Any], passed: frozenset[str] | None) -> None:
    """Raises BadRequest with the path of the first field that may not leave. `passed`: what the host's operator lists
    beyond OpenAI's own fields; None where everything unknown may pass."""
    present = {name: value for name, value in body.items() if value is not None}
    for name in present:
        reason = REFUSED.get(name.casefold())
        if reason is None and name not in DOCUMENTED and name.casefold() in DOCUMENTED:
            reason = "is no field; the one that is has small letters alone"
        if reason is not None:
            raise _refused(name, reason)
    if any(each != "text" for each in present.get("modalities") or ()):
        raise _refused("modalities", _PAID)
    for where, name, reason in (*_of_tools(present.get("tools")), *_of_inner(present)):
        raise _refused(f"{where}.{name[:64]}", reason)
    if passed is not None:
        _check_known(present, passed)


def _of_tools(tools: Any) -> Iterator[tuple[str, str, str]]:
    for number, tool in enumerate(tools or ()):
        where = f"tools[{number}]"
        if tool.get("type", "function") not in _OWN_CODE:
            yield where, "type", _PAID
        for name, value in tool.items():
            if value is not None and name not in _TOOL and name.casefold() in _INNER_NAMES:
                yield where, name, REFUSED.get(name.casefold(), _NAMES)


def _of_inner(present: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for where in _INNER:
        inside = present.get(where)
        for name, value in inside.items() if isinstance(inside, Mapping) else ():
            if value is not None and name.casefold() in _INNER_NAMES:
                yield where, name, REFUSED.get(name.casefold(), _NAMES)


def _check_known(present: Mapping[str, Any], passed: frozenset[str]) -> None:
    unknown = "is not a field of OpenAI's, and this gateway's operator has not listed it for this host"
    for name in present:
        if name not in DOCUMENTED and name not in passed:
            raise _refused(name, unknown)
    for number, tool in enumerate(present.get("tools") or ()):
        for name, value in tool.items():
            if value is not None and name not in _TOOL and f"tools.{name}" not in passed:
                raise _refused(f"tools[{number}].{name[:64]}", unknown)


def _refused(path: str, reason: str) -> BadRequest:
    path = path[:128]
    return BadRequest(f"{path}: {reason}", param=path, code="unsupported_parameter")
