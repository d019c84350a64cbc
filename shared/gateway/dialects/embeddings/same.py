"""Embeddings on both sides: the client's own document leaves, and the provider's own comes back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from gateway.dialects.embeddings.policy import check_fields
from gateway.dialects.values import count, mapping
from gateway.dialects.vectors.answers import is_vector, written_usage
from gateway.dialects.written import Asked, Written
from gateway.models.usage import Usage

_GATEWAYS: Final = ("model", "stream")
_PURPOSE: Final = "input_type"


class _Same:
    """See `gateway.dialects.pairs.Pair`."""

    def request(self, asked: Asked) -> Written:
        quirks = asked.quirks
        check_fields(asked.body, None if quirks.passes_all else frozenset(quirks.pass_fields))
        body = {name: value for name, value in asked.body.items() if value is not None and name not in _GATEWAYS}
        dropped: list[str] = []
        if _PURPOSE in body and _PURPOSE not in quirks.pass_fields:
            dropped.append(_PURPOSE)  # not a field of OpenAI's: a host that lacks it would refuse the whole request
            del body[_PURPOSE]
        return Written(body | {"model": asked.model}, dropped, {})

    def answer(
        self,
        answer: Mapping[str, Any],
        usage: Usage | None,
        *,
        names: Mapping[str, str],
        known: Callable[[], str],
        model: str,
    ) -> dict[str, Any] | None:
        given = answer.get("data")
        if not isinstance(given, list) or not given or not all(map(_holds_vector, given)):
            return None
        data = [{**each, "object": "embedding", "index": _index(each, at)} for at, each in enumerate(given)]
        named = answer.get("model")
        body = {name: value for name, value in answer.items() if name != "usage"}
        body |= {"object": "list", "data": data, "model": named if isinstance(named, str) and named else model}
        return body | ({"usage": {**mapping(answer.get("usage")), **written_usage(usage)}} if usage else {})

    def usage_of(self, answer: Mapping[str, Any]) -> Usage | None:
        said = mapping(answer.get("usage"))
        prompt, total = count(said.get("prompt_tokens")), count(said.get("total_tokens"))
        found = [each for each in (prompt, total) if each is not None]  # some hosts send only one of them
        return Usage(input_tokens=max(found)) if found else None

    def path(self, message: object, param: object, asked: Asked) -> str | None:
        return param if isinstance(param, str) else None


def _holds_vector(each: object) -> bool:
    vector = mapping(each).get("embedding")
    return (isinstance(vector, str) and bool(vector)) or is_vector(vector)


def _index(each: Mapping[str, Any], at: int) -> int:
    index = each.get("index")
    return index if type(index) is int and index >= 0 else at


SAME: Final = _Same()
