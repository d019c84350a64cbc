"""Which fields of a legacy completion are supported: those that chat can express."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway.config.spelling import hint
from gateway.dialects.rest import OF_ROUTERS, UNKNOWN
from gateway.errors import BadRequest

# Fields that ask for something that no chat model gives, with the values that ask for nothing.
NOT_HERE: Final[Mapping[str, tuple[Any, ...]]] = {
    "best_of": (1,),
    "echo": (False,),
    "logit_bias": ({},),
    "logprobs": (),
    "n": (1,),
    "suffix": ("",),
}
READ: Final = frozenset(("max_tokens", "model", "prompt", "stop", "stream", "stream_options", "temperature", "top_p"))
PASSED: Final = frozenset(("frequency_penalty", "presence_penalty", "seed", "user"))


def check_fields(body: Mapping[str, Any]) -> None:
    """Raises BadRequest with the path of the first field that may not leave."""
    for name, value in body.items():
        if value is None or name in READ or name in PASSED or (name in NOT_HERE and _is_usual(name, value)):
            continue
        if name in NOT_HERE:
            raise _refused(name, "not supported: chat models answer here")
        reason = OF_ROUTERS.get(name.casefold())
        raise _refused(name, reason or UNKNOWN + hint(name, READ | PASSED))


def _is_usual(name: str, value: Any) -> bool:
    return any(type(value) is type(each) and value == each for each in NOT_HERE[name])


def _refused(name: str, reason: str) -> BadRequest:
    path = name[:128]
    return BadRequest(f"{path}: {reason}", param=path, code="unsupported_parameter")
