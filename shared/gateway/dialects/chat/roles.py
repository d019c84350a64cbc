"""Chat as clients speak it, and as endpoints do."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from msgspec.structs import replace

from gateway.dialects.chat.answer import completion_of
from gateway.dialects.chat.request import read_request
from gateway.dialects.chat.same import leaving
from gateway.dialects.chat.sending import write_for_host
from gateway.dialects.chat.stream import ChunkReader, ChunkWriter, completion, read_choice
from gateway.dialects.chat.usage import usage_of
from gateway.dialects.neutral import Delta, Request, ToolStart, Used
from gateway.dialects.written import Asked, Written
from gateway.models.usage import Usage

# Fields that have these names in every client's dialect: the name is the path.
_SHARED: Final = frozenset(("messages", "temperature", "tool_choice", "tools", "top_p"))


class _Client:
    """See `gateway.dialects.pairs.Client`."""

    def read(self, asked: Asked) -> tuple[Request, list[str]]:
        return read_request(asked.body, cap=asked.cap)

    def whole(self, deltas: Iterable[Delta], *, known: str, model: str) -> dict[str, Any]:
        return completion(deltas, _frame(known, model))

    def writer(self, *, known: str, model: str) -> ChunkWriter:
        return ChunkWriter(_frame(known, model))


class _Native:
    """See `gateway.dialects.pairs.Native`."""

    def write(self, request: Request, dropped: list[str], asked: Asked) -> Written:
        written = write_for_host(request, dropped, passed=asked.quirks.pass_fields)
        return replace(written, body=leaving(written.body, asked, written.dropped))

    def deltas(
        self, answer: Mapping[str, Any], names: Mapping[str, str], usage: Usage | None = None
    ) -> list[Delta] | None:
        usage = usage_of(answer.get("usage"))
        body = completion_of(answer, usage, model="")
        if body is None:
            return None
        tier = body.get("service_tier")
        used = [] if usage is None else [Used(usage, tier if isinstance(tier, str) else "")]
        said = [_named(each, names) for each in read_choice(body["choices"][0], foreign=True)]
        return [*said, *used]

    def reader(self, names: Mapping[str, str]) -> ChunkReader:
        return _NamingReader(names) if names else ChunkReader()

    def usage_of(self, value: object) -> Usage | None:
        return usage_of(value)

    def path(self, message: object, param: object, written: Written) -> str | None:
        if not isinstance(param, str):
            return None
        return written.paths.get(param, param if param in _SHARED else None)


class _NamingReader(ChunkReader):
    """Gives tools their own names again, instead of those that the request gave the host."""

    def __init__(self, names: Mapping[str, str]) -> None:
        super().__init__()
        self._names = names

    def hear(self, kind: str, chunk: Mapping[str, Any]) -> Iterator[Delta]:
        return (_named(delta, self._names) for delta in super().hear(kind, chunk))


def _named(delta: Delta, names: Mapping[str, str]) -> Delta:
    return replace(delta, name=names.get(delta.name, delta.name)) if isinstance(delta, ToolStart) else delta


def _frame(known: str, model: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{known}", "created": int(time.time()), "model": model}


CLIENT: Final = _Client()
NATIVE: Final = _Native()
