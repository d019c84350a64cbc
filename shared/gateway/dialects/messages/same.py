"""Messages on both sides: the client's own document leaves, and the provider's own comes back."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from gateway.dialects.messages.answer import read_answer
from gateway.dialects.messages.policy import DOCUMENTED, OF_HEADERS, check_fields
from gateway.dialects.messages.roles import leaving
from gateway.dialects.messages.thinking import LEAST_BUDGET
from gateway.dialects.messages.usage import usage_of
from gateway.dialects.pairs import Asked
from gateway.dialects.unsupported import Unusable
from gateway.dialects.values import mapping
from gateway.dialects.written import Written
from gateway.models.usage import Usage

_PATH = re.compile(r"([a-z_]{1,40})((?:\.(?:[a-z_]{1,40}|\d{1,5})){0,12}): ")
_DELIVERY: Final = frozenset(("model", "stream")) | OF_HEADERS
_NUMBER = re.compile(r"\.(\d+)")


class _Same:
    """See `gateway.dialects.pairs.Pair`."""

    def request(self, asked: Asked) -> Written:
        quirks, dropped = asked.quirks, list[str]()
        passed = None if quirks.passes_all else frozenset(quirks.pass_fields)
        body = native_body(asked.body, dropped, cap=asked.cap, passed=passed)
        return Written(leaving(body, dropped, asked), dropped, {})

    def answer(
        self,
        answer: Mapping[str, Any],
        usage: Usage | None,
        *,
        names: Mapping[str, str],
        known: Callable[[], str],
        model: str,
    ) -> dict[str, Any] | None:
        try:
            if read_answer(answer, names) is None:
                return None
        except Unusable:
            pass  # an end that nobody here knows is the client's to judge: it gets the document as it came
        body = {**answer, "type": "message", "role": "assistant"}
        if not isinstance(body.get("id"), str):
            body["id"] = f"msg_{known()}"
        if not isinstance(body.get("model"), str):
            body["model"] = model
        return body

    def usage_of(self, value: object) -> Usage | None:
        return usage_of(value)

    def path(self, message: object, param: object, asked: Asked) -> str | None:
        """Anthropic's errors begin with it: `messages.0.content.1.text: ...`."""
        found = _PATH.match(message) if isinstance(message, str) else None
        if found is None or found[1] not in DOCUMENTED:
            return None
        return found[1] + _NUMBER.sub(r"[\1]", found[2])


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


SAME: Final = _Same()
