"""A client's own body of Messages for a model that speaks Messages: nothing is translated, little is changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway.dialects.messages.policy import OF_HEADERS, check_fields
from gateway.dialects.messages.thinking import LEAST_BUDGET
from gateway.dialects.values import mapping

_DELIVERY: Final = frozenset(("model", "stream")) | OF_HEADERS


def native_body(
    body: Mapping[str, Any], dropped: list[str], *, cap: int, passed: frozenset[str] | None = None
) -> dict[str, Any]:
    """What goes to Anthropic: the client's document, without model and delivery, which are the vendor's, and with the
    cap that is enforced; a budget for thinking that this leaves no room is lowered, or taken out, and named in
    `dropped`. `passed` as in `check_fields`. Raises BadRequest for what may not leave."""
    check_fields(body, passed)
    found = {name: value for name, value in body.items() if name not in _DELIVERY and value is not None}
    found["max_tokens"] = cap
    thinking = mapping(found.get("thinking"))
    budget = thinking.get("budget_tokens")
    asked = body.get("max_tokens")
    # Where the cap is not lowered, a budget that has no room is the client's fault, which the host tells.
    lowered = not isinstance(asked, int) or cap < asked
    if lowered and isinstance(budget, int) and budget >= cap:
        if cap <= LEAST_BUDGET:
            del found["thinking"]
            dropped.append("thinking")
        else:
            found["thinking"] = {**thinking, "budget_tokens": cap - 1}
            dropped.append("thinking.budget_tokens")
    return found
