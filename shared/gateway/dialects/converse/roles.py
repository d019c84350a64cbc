"""Converse as an endpoint speaks it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.dialects.converse.answer import read_answer
from gateway.dialects.converse.request import write_request
from gateway.dialects.converse.stream import EventReader
from gateway.dialects.converse.usage import usage_of
from gateway.dialects.neutral import Request
from gateway.dialects.paths import client_path
from gateway.dialects.written import Asked, Written


class _Native:
    """See `gateway.dialects.pairs.Native`."""

    deltas = staticmethod(read_answer)
    usage_of = staticmethod(usage_of)

    def write(self, request: Request, dropped: list[str], asked: Asked) -> Written:
        return write_request(
            request,
            dropped,
            metadata=asked.metadata,
            one_tool=asked.one_tool,
            sampling=asked.sampling,
            marks=asked.marks,
        )

    def reader(self, names: Mapping[str, str]) -> EventReader:
        return EventReader(names)

    def path(self, message: object, param: object, written: Written) -> str | None:
        return client_path(message, written) if isinstance(message, str) else None


NATIVE: Final = _Native()
