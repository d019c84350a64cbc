"""Messages as clients speak it, and as endpoints do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from msgspec.structs import replace

from gateway.dialects.messages.answer import read_answer, write_answer
from gateway.dialects.messages.betas import betas_of, with_betas, withheld
from gateway.dialects.messages.reading import read_request
from gateway.dialects.messages.request import write_request
from gateway.dialects.messages.stream import Reader, Writer
from gateway.dialects.messages.usage import usage_of
from gateway.dialects.neutral import Delta, Request
from gateway.dialects.paths import client_path
from gateway.dialects.plain import no_links
from gateway.dialects.written import Asked, Written
from gateway.models.usage import Usage


class _Client:
    """See `gateway.dialects.pairs.Client`."""

    def read(self, asked: Asked) -> tuple[Request, list[str]]:
        return read_request(asked.body, cap=asked.cap)

    def whole(self, deltas: Iterable[Delta], *, known: str, model: str) -> dict[str, Any]:
        return write_answer(deltas, _frame(known, model))

    def writer(self, *, known: str, model: str) -> Writer:
        return Writer(_frame(known, model))


class _Native:
    """See `gateway.dialects.pairs.Native`."""

    def write(self, request: Request, dropped: list[str], asked: Asked) -> Written:
        if asked.quirks.betas_in_body:
            no_links(request.turns)  # so that the error has the client's own path
        written = write_request(request, dropped, sampling=asked.sampling, marks=asked.marks)
        return replace(written, body=leaving(written.body, written.dropped, asked))

    def deltas(
        self, answer: Mapping[str, Any], names: Mapping[str, str], usage: Usage | None = None
    ) -> list[Delta] | None:
        return read_answer(answer, names)

    def reader(self, names: Mapping[str, str]) -> Reader:
        return Reader(names)

    def usage_of(self, value: object) -> Usage | None:
        return usage_of(value)

    def path(self, message: object, param: object, written: Written) -> str | None:
        return client_path(message, written) if isinstance(message, str) else None


def leaving(given: Mapping[str, Any], dropped: list[str], asked: Asked) -> dict[str, Any]:
    """A body as it leaves: with our model id and, if none is named, the service tier that was priced. If the host
    takes betas in the body, they are paired with their fields there (`gateway.dialects.messages.betas`)."""
    quirks, body = asked.quirks, dict(given)
    dropped += withheld(asked.beta, asked.body)
    if quirks.betas_in_body:
        return with_betas(body, betas_of(asked.beta, asked.body), asked.model, dropped)
    if quirks.service_tier:
        body["service_tier"] = body.get("service_tier") or quirks.service_tier
    if asked.streamed:
        body["stream"] = True
    return body | {"model": asked.model}


def _frame(known: str, model: str) -> dict[str, Any]:
    return {"id": f"msg_{known}", "model": model}


CLIENT: Final = _Client()
NATIVE: Final = _Native()
