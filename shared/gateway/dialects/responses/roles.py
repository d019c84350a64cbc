"""Responses as clients speak them, and as endpoints do."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

from msgspec.structs import replace

from gateway.dialects.neutral import Delta, Request
from gateway.dialects.responses.made.reader import Reader, read_answer
from gateway.dialects.responses.made.writer import Writer, write_answer
from gateway.dialects.responses.reading import read_request
from gateway.dialects.responses.request import write_request
from gateway.dialects.responses.same import leaving
from gateway.dialects.responses.usage import usage_of
from gateway.dialects.written import Asked, Written
from gateway.models.usage import Usage

_OF_INPUT: Final = re.compile(r"input\[(\d{1,6})\]")
# The neutral form's (chat's) names of fields, by those of Responses.
_FIELDS: Final = {
    "max_output_tokens": "max_completion_tokens",
    "reasoning.effort": "reasoning_effort",
    "text.format": "response_format",
    "text.format.schema": "response_format",
}
_SHARED: Final = frozenset(("temperature", "tool_choice", "tools", "top_p"))


class _Client:
    """See `gateway.dialects.pairs.Client`."""

    def read(self, asked: Asked) -> tuple[Request, list[str]]:
        return read_request(asked.body, cap=asked.cap, thinking=asked.thinking)

    def whole(self, deltas: Iterable[Delta], *, known: str, model: str) -> dict[str, Any]:
        return write_answer(deltas, _frame(known, model))

    def writer(self, *, known: str, model: str) -> Writer:
        return Writer(_frame(known, model))


class _Native:
    """See `gateway.dialects.pairs.Native`."""

    def write(self, request: Request, dropped: list[str], asked: Asked) -> Written:
        written = write_request(request, dropped)
        return replace(written, body=leaving(written.body, asked))

    def deltas(
        self, answer: Mapping[str, Any], names: Mapping[str, str], usage: Usage | None = None
    ) -> list[Delta] | None:
        return read_answer(answer, names)

    def reader(self, names: Mapping[str, str]) -> Reader:
        return Reader(names)

    def usage_of(self, value: object) -> Usage | None:
        return usage_of(value)

    def path(self, message: object, param: object, written: Written) -> str | None:
        if not isinstance(param, str):
            return None
        found = _OF_INPUT.match(param)
        if found is not None and int(found[1]) < len(written.turns):
            return written.turns[int(found[1])][0] or None
        field = _FIELDS.get(param)
        if field is not None:
            return written.paths.get(field, field)
        return param if param in _SHARED else None


def _frame(known: str, model: str) -> dict[str, Any]:
    return {"id": f"resp_{known}", "created_at": int(time.time()), "model": model}


CLIENT: Final = _Client()
NATIVE: Final = _Native()
