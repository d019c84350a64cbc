"""Chat on both sides: the client's own document leaves, and the provider's own comes back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from gateway.dialects.chat.answer import completion_of
from gateway.dialects.chat.policy import check_fields
from gateway.dialects.chat.usage import usage_of
from gateway.dialects.pairs import Asked
from gateway.dialects.written import Written
from gateway.models.usage import Usage

_CAPS = ("max_completion_tokens", "max_tokens")
_DELIVERY = frozenset(("model", "stream", "stream_options"))


class _Same:
    """See `gateway.dialects.pairs.Pair`."""

    def request(self, asked: Asked) -> Written:
        quirks = asked.quirks
        check_fields(asked.body, None if quirks.passes_all else frozenset(quirks.pass_fields))
        return Written(leaving(asked.body, asked), [], {})

    def answer(
        self,
        answer: Mapping[str, Any],
        usage: Usage | None,
        *,
        names: Mapping[str, str],
        known: Callable[[], str],
        model: str,
    ) -> dict[str, Any] | None:
        return completion_of(answer, usage, model=model)

    def usage_of(self, value: object) -> Usage | None:
        return usage_of(value)

    def path(self, message: object, param: object, asked: Asked) -> str | None:
        return param if isinstance(param, str) else None


def leaving(given: Mapping[str, Any], asked: Asked) -> dict[str, Any]:
    """A body as it leaves: our model id, the enforced cap under the names that the host knows, and its service tier
    where none is named (`gateway.models.vendors` says why)."""
    quirks = asked.quirks
    body = {name: value for name, value in given.items() if name not in _DELIVERY}
    named = [name for name in _CAPS if body.get(name) is not None]
    if quirks.service_tier:
        body["service_tier"] = body.get("service_tier") or quirks.service_tier
    capped = ([name for name in named if name in quirks.caps] or quirks.caps[:1]) if quirks.caps else None
    for name in _CAPS:
        wanted = body.pop(name, None)
        if name in (capped if capped is not None else (*named, "max_tokens")):
            positive = isinstance(wanted, int) and not isinstance(wanted, bool) and wanted > 0
            body[name] = min(wanted, asked.cap) if positive else asked.cap
    if asked.streamed:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return body | {"model": asked.model}


SAME: Final = _Same()
