"""How a failed stream ends: the code tells clients what to do next.

The table in docs/decisions/0062-ends-that-are-not-sent-again.md says on which codes the agents that speak Responses
act, and after which ends they send a request again.
"""

from __future__ import annotations

import math
from typing import Any, Final

from gateway.errors import BudgetExceeded, GatewayError

TOO_LONG: Final = "context_length_exceeded"
_PAID: Final = (
    "The part of the answer that came is paid for, so the gateway asks clients not to repeat the request by themselves."
)


def failure_of(error: GatewayError, *, by_end: bool) -> dict[str, Any]:
    """The `error` of a failed response. `by_end`: the client sends a request again after a code that it does not know,
    which must not happen if something was paid for."""
    if error.code == TOO_LONG:
        return _told(TOO_LONG, error.message)
    if isinstance(error, BudgetExceeded):
        return _told("insufficient_quota", error.message)
    if error.charged and by_end:
        return _told("invalid_prompt", f"{error.message} {_PAID}")
    if error.status == 429:
        return _told("rate_limit_exceeded", f"{error.message} Please try again in {_seconds(error)}s.")
    if error.status < 500:
        return _told("invalid_prompt", error.message)
    return _told("server_error", error.message)


def acts_on(error: GatewayError) -> bool:
    """Whether such a client acts on the error's code in a stream, and not on its status: it stops, waits, or shortens
    its prompt. An error after something was paid for is sent this way too, so that it is not paid for again."""
    return bool(error.charged) or error.status == 429 or error.code == TOO_LONG or isinstance(error, BudgetExceeded)


def _seconds(error: GatewayError) -> str:
    wait = 1.0 if error.retry_after is None else max(0.1, error.retry_after)
    return f"{math.ceil(wait * 10) / 10:g}"


def _told(code: str, message: str) -> dict[str, Any]:
    return {"code": code, "message": message}
