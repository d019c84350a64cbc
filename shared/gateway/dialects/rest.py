"""Fields of chat that no model of another dialect takes: which are left out and named, which may not be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway.dialects.unsupported import refuse

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
