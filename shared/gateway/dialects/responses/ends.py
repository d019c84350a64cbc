"""How a stream that failed ends: the code by which clients know what to do next.

Which of them the agents that speak Responses act on, and which end they send again, is a table of
docs/decisions/0062-ends-that-are-not-sent-again.md.
"""

from __future__ import annotations

import math
from typing import Any, Final

from gateway.errors import BudgetExceeded, GatewayError

TOO_LONG: Final = "context_length_exceeded"
_PAID: Final = "What came of the answer is paid for, so the gateway asks that it be not sent again by itself."


def failure_of(error: GatewayError, *, by_end: bool) -> dict[str, Any]:
    """The `error` of a response that failed. `by_end`: of a client that sends again what ends in a code that it does
    not know, which must not be where something was paid for."""
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
    """Whether such a client acts on it by its code in a stream, and not by its status: it stops, waits, or makes its
    prompt shorter. What was paid for is told so too, that it be not paid for again."""
    return bool(error.charged) or error.status == 429 or error.code == TOO_LONG or isinstance(error, BudgetExceeded)


def _seconds(error: GatewayError) -> str:
    wait = 1.0 if error.retry_after is None else max(0.1, error.retry_after)
    return f"{math.ceil(wait * 10) / 10:g}"


def _told(code: str, message: str) -> dict[str, Any]:
    return {"code": code, "message": message}
