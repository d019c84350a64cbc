"""Fields that not every model takes.

These are chat's fields that no model of another dialect takes (they are left out and named, or refused), those of
sampling, and those of hosts and routers, which belong neither to chat nor to Responses and are never sent on.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any, Final

from gateway.dialects.neutral import Request
from gateway.dialects.unsupported import refuse
from gateway.models.vendors import Sampling

# Why a field may not leave.
UNKNOWN: Final = "is not a field of this format"
UNLISTED: Final = f"{UNKNOWN}, and the gateway's operator has not allowed it for this host"
PAID: Final = "has a cost without a known price, so it can't be billed"
NAMES: Final = "names other models than the one that was asked for"
HIDDEN: Final = "may hold any field under another name"
ABSENT: Final = "brings in content that the body does not contain, so its cost is unknown"
OUTLIVES: Final = "lets the call run on after its answer, so it can't be billed"
ELSEWHERE: Final = "says where the request goes, which only the gateway decides"
CAP: Final = "sets an output cap in addition to the format's own"
MANY: Final = "asks for more answers than the format says"

# By name in lower case: some servers (Go's) accept any case. The fields are those of OpenRouter, LiteLLM, vLLM, xAI,
# DashScope, Perplexity, Mistral, Ollama.
OF_ROUTERS: Final[Mapping[str, str]] = {
    "builtin_tools": PAID,
    "code_execution": PAID,
    "code_interpreter": PAID,
    "container": PAID,
    "enable_code_interpreter": PAID,
    "enable_search": PAID,
    "mcp_servers": PAID,
    "plugins": PAID,
    "search_mode": PAID,
    "search_options": PAID,
    "search_parameters": PAID,
    "server_tools": PAID,
    "tool_resources": PAID,
    "web_fetch": PAID,
    "web_search": PAID,
    "web_search_config": PAID,
    "context_window_fallback_dict": NAMES,
    "default_fallbacks": NAMES,
    "deployment_id": NAMES,
    "draft_model": NAMES,
    "engine": NAMES,
    "fallback_models": NAMES,
    "fallbacks": NAMES,
    "lora": NAMES,
    "lora_request": NAMES,
    "model_id": NAMES,
    "model_info": NAMES,
    "model_list": NAMES,
    "model_name": NAMES,
    "models": NAMES,
    "preset": NAMES,
    "provider": NAMES,
    "route": NAMES,
    "router": NAMES,
    "speculative_model": NAMES,
    "assistant_id": ABSENT,
    "attachments": ABSENT,
    "connectors": ABSENT,
    "context_id": ABSENT,
    "conversation_id": ABSENT,
    "data_sources": ABSENT,
    "datasources": ABSENT,
    "file_id": ABSENT,
    "file_ids": ABSENT,
    "file_uri": ABSENT,
    "files": ABSENT,
    "knowledge_base_ids": ABSENT,
    "prompt_id": ABSENT,
    "prompt_template": ABSENT,
    "prompt_variables": ABSENT,
    "template_id": ABSENT,
    "thread_id": ABSENT,
    "vector_store_ids": ABSENT,
    "extra_body": HIDDEN,
    "litellm_metadata": HIDDEN,
    "litellm_params": HIDDEN,
    "optional_params": HIDDEN,
    "options": HIDDEN,
    "parameters": HIDDEN,
    "max_completion_len": CAP,
    "max_gen_len": CAP,
    "max_gen_toks": CAP,
    "max_length": CAP,
    "max_new_tokens": CAP,
    "max_tokens_to_sample": CAP,
    "maxtokens": CAP,
    "num_predict": CAP,
    "best_of": MANY,
    "num_completions": MANY,
    "num_generations": MANY,
    "use_beam_search": MANY,
    "api_base": ELSEWHERE,
    "api_key": ELSEWHERE,
    "api_version": ELSEWHERE,
    "base_url": ELSEWHERE,
    "custom_llm_provider": ELSEWHERE,
    "extra_headers": ELSEWHERE,
    "extra_query": ELSEWHERE,
}
# These fields change how an answer is sampled, billed or stored, not what is asked.
LEFT_OUT: Final = frozenset(
    (
        "frequency_penalty",
        "metadata",
        "prediction",
        "presence_penalty",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "safety_identifier",
        "seed",
        "store",
        "user",
        "verbosity",
    )
)
# Those of them that ask for the prompt to be cached: cache marks do the same.
CACHING: Final = ("prompt_cache_key", "prompt_cache_options", "prompt_cache_retention")
# Values that ask for nothing that other dialects lack.
NEUTRAL: Final[Mapping[str, tuple[Any, ...]]] = {
    "frequency_penalty": (0,),
    "logit_bias": ({},),
    "logprobs": (False,),
    "metadata": ({},),
    "modalities": (["text"], []),
    "n": (1,),
    "presence_penalty": (0,),
    "prompt_cache_options": ({},),
    "store": (False,),
    "stream": (False, True),  # the gateway decides how the answer is delivered
    "top_logprobs": (0,),
    "user": ("",),
}
_DELIVERY = ("model", "stream_options")


def check_rest(request: Request, dropped: list[str], *, told: Collection[str] = ()) -> None:
    """Name in `dropped` the fields of the request's rest that are left out; those in `told` are not. Raises Unsupported
    for a field that would change the answer's meaning."""
    for name, value in request.rest.items():
        if name in told or name in _DELIVERY or value in NEUTRAL.get(name, ()):
            continue
        path = request.path(name)
        if name in LEFT_OUT:
            dropped.append(path)
        elif name in NEUTRAL:
            raise refuse(path, f"must be {allowed(name)} with this model, or left out")
        else:
            raise refuse(path, "not supported by this model")


def allowed(name: str) -> str:
    """The neutral values of a field as JSON: `1`, or `["text"] or []`."""
    return " or ".join(json.dumps(value) for value in NEUTRAL[name] if value != "")


def sampling_of(request: Request, takes: Sampling, dropped: list[str]) -> dict[str, float]:
    """`temperature` (at most 1), `top_p` and `top_k`, as far as the model takes them. If it takes only one of the first
    two, the temperature stays. A value that is left out or changed is named in `dropped`, unless it is 1, which asks
    for nothing."""
    said: dict[str, float] = {}
    if request.temperature is not None:
        said["temperature"] = request.temperature
    if request.top_p is not None:
        said["top_p"] = request.top_p
    if request.top_k is not None:
        said["top_k"] = request.top_k
    if not said:
        return said
    if said.get("temperature", 0) > 1:
        dropped.append(request.path("temperature"))
        said["temperature"] = 1
    gone: tuple[str, ...] = ("temperature", "top_p", "top_k") if takes == "none" else ()
    if takes == "one" and "temperature" in said:
        gone = ("top_p",)
    for name in gone:
        value = said.pop(name, None)
        if value not in (None, 1) or (name == "top_k" and value is not None):
            dropped.append(request.path(name))
    return said
