"""The answers of embedding models, in no vendor's form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from gateway.models.usage import Usage

_MOST_FLOAT32: Final = 3.4e38
Vector = list[float]


def is_vector(value: object) -> bool:
    """Whether it is a vector of numbers that fit four bytes (float32)."""
    if not isinstance(value, list) or not value or any(type(each) not in (float, int) for each in value):
        return False
    return all(-_MOST_FLOAT32 <= each <= _MOST_FLOAT32 for each in (min(value), max(value)))


def joined(answers: Sequence[Mapping[str, Any]], usage: Mapping[str, Any]) -> dict[str, Any]:
    """Joins several answers in the client's dialect into one; each continues where the one before ended."""
    data = [{**each, "index": at} for at, each in enumerate(each for answer in answers for each in answer["data"])]
    return {**answers[0], "data": data, "usage": dict(usage)}


def written_usage(usage: Usage) -> dict[str, Any]:
    """The counts as OpenAI reports those of embeddings."""
    return {"prompt_tokens": usage.prompt_tokens, "total_tokens": usage.total_tokens}
