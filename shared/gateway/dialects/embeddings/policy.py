"""Which fields of a request for embeddings may leave: OpenAI's own, and what a host's operator lists beyond them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from gateway.config.spelling import hint
from gateway.dialects.rest import OF_ROUTERS, PAID, UNKNOWN, UNLISTED
from gateway.errors import BadRequest

REFUSED: Final[Mapping[str, str]] = {
    **OF_ROUTERS,
    "service_tier": PAID,
    "messages": "is not a field of embeddings: send the texts as input",
    "prompt": "is not a field of embeddings: send the texts as input",
}
DOCUMENTED: Final = frozenset(("dimensions", "encoding_format", "input", "model", "user"))
_OURS: Final = ("input_type", "stream")


def check_fields(body: Mapping[str, Any], passed: Collection[str] | None) -> None:
    """Raises BadRequest with the path of the first field that may not leave. `passed`: what the host's operator lists
    beyond OpenAI's own fields; None if every unknown field may pass."""
    for name, value in body.items():
        if value is None or name in DOCUMENTED or name in _OURS:
            if name == "stream" and value not in (None, False):
                raise _refused(name, "embeddings come whole")
            continue
        reason = REFUSED.get(name.casefold())
        if reason is None and name.casefold() in (*DOCUMENTED, *_OURS):
            reason = UNKNOWN + hint(name, (*DOCUMENTED, *_OURS))
        if reason is None and passed is not None and name not in passed:
            reason = UNLISTED + hint(name, DOCUMENTED.union(_OURS, passed))
        if reason is not None:
            raise _refused(name, reason)


def _refused(name: str, reason: str) -> BadRequest:
    path = name[:128]
    return BadRequest(f"{path}: {reason}", param=path, code="unsupported_parameter")
