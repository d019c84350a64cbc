"""Converse as an endpoint speaks it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway.dialects.converse.answer import read_answer
from gateway.dialects.converse.request import write_request
from gateway.dialects.converse.stream import EventReader
from gateway.dialects.converse.usage import usage_of
from gateway.dialects.neutral import Delta, Request
from gateway.dialects.paths import client_path
from gateway.dialects.written import Asked, Written
from gateway.models.usage import Usage


class _Native:
    """See `gateway.dialects.pairs.Native`."""

    def write(self, request: Request, dropped: list[str], asked: Asked) -> Written:
        return write_request(
            request,
            dropped,
            metadata=asked.metadata,
            one_tool=asked.one_tool,
            sampling=asked.sampling,
            marks=asked.marks,
        )

    def deltas(
        self, answer: Mapping[str, Any], names: Mapping[str, str], usage: Usage | None = None
    ) -> list[Delta] | None:
        return read_answer(answer, names, usage)

    def reader(self, names: Mapping[str, str]) -> EventReader:
        return EventReader(names)

    def usage_of(self, value: object) -> Usage | None:
        return usage_of(value)

    def path(self, message: object, param: object, written: Written) -> str | None:
        return client_path(message, written) if isinstance(message, str) else None


NATIVE: Final = _Native()
