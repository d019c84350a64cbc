"""Fields that not every model takes: those of chat that no model of another dialect does, which are left out and named
or may not be; and those of sampling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway.dialects.neutral import Request
from gateway.dialects.unsupported import refuse
from gateway.models.vendors import Sampling

# They change how an answer is found, billed or kept, not what is asked.
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
# Values that ask for nothing that the others lack.
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
    "stream": (False, True),  # how it is delivered is the gateway's own matter
    "top_logprobs": (0,),
    "user": ("",),
}
_DELIVERY = ("model", "stream_options")


def check_rest(rest: Mapping[str, Any], dropped: list[str]) -> None:
    """Name in `dropped` what is left out. Raises Unsupported for what would change the answer's meaning."""
    for name, value in rest.items():
        if name in _DELIVERY or value in NEUTRAL.get(name, ()):
            continue
        if name in LEFT_OUT:
            dropped.append(name)
        elif name in NEUTRAL:
            raise refuse(name, "this value is not supported by this model")
        else:
            raise refuse(name, "not supported by this model")


def sampling_of(request: Request, takes: Sampling, dropped: list[str]) -> dict[str, float]:
    """`temperature`, at most 1, `top_p` and `top_k`, as far as a model takes them: of two where it takes one the
    temperature. What is left out or changed is named in `dropped`, where it asked for anything: 1 does not."""
    given = {"temperature": request.temperature, "top_p": request.top_p, "top_k": request.top_k}
    said: dict[str, float] = {name: value for name, value in given.items() if value is not None}
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
