"""Translates a client's dialect to an endpoint's and back, for any two dialects: each dialect knows its own half.

`<dialect>/roles.py` has a dialect's halves: `CLIENT` if clients speak it (with a `PAIR` if it is not chat), `NATIVE` if
an endpoint speaks it. `<dialect>/same.py` serves the case of both. The same dialect on both sides is passed through
after the policy's checks. Otherwise a request goes through the neutral form, and an answer through its deltas.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from importlib import import_module
from typing import Any, Protocol, cast

from msgspec import Struct, field
from msgspec.structs import replace

from gateway.dialects.names import told_names
from gateway.dialects.neutral import (
    BlockStop,
    Delta,
    Failed,
    Finish,
    Request,
    Rest,
    Start,
    TextDelta,
    Told,
    Used,
    text_of,
)
from gateway.dialects.unsupported import Unusable
from gateway.dialects.written import Asked, Written
from gateway.models.usage import Usage


class Reader(Protocol):
    """Reads the events of one stream into deltas."""

    @property
    def over(self) -> bool:
        """Whether nothing that matters can follow."""

    def hear(self, kind: str, event: Mapping[str, Any]) -> Iterator[Delta]:
        """The deltas of the next event, by type (or empty) and payload. Raises Unusable."""

    def end(self, *, done: bool) -> Iterable[Delta]:
        """The deltas that are left after the last event; `done`: that event said that it was the last."""


class Writer(Protocol):
    """Writes deltas as the events of one stream: type (or empty) and payload. `failed`: why `end` gave no end."""

    failed: str

    def write(self, delta: Delta) -> Iterator[tuple[str, dict[str, Any]]]:
        """The events that a delta makes."""

    def end(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """The events that are left when all deltas have come."""


class Client(Protocol):
    """The half of a dialect that clients speak."""

    def read(self, asked: Asked) -> tuple[Request, list[str]]:
        """The request in a body, and the paths of its fields without effect. Raises BadRequest, Unsupported."""

    def whole(self, deltas: Iterable[Delta], *, known: str, model: str) -> dict[str, Any]:
        """The whole answer of these deltas. `known` is the provider's id of it."""

    def writer(self, *, known: str, model: str) -> Writer:
        """The same as a stream."""


class Native(Protocol):
    """The half of a dialect that an endpoint speaks."""

    def write(self, request: Request, dropped: list[str], asked: Asked) -> Written:
        """The body for the request, without what the endpoint itself adds. Raises Unsupported, BadRequest."""

    def deltas(
        self, answer: Mapping[str, Any], names: Mapping[str, str], usage: Usage | None = None
    ) -> list[Delta] | None:
        """The deltas of a whole answer; None if it lacks its shape. `usage`: its counts, if known. Raises Unusable."""

    def reader(self, names: Mapping[str, str]) -> Reader:
        """A reader of a stream's events."""

    def usage_of(self, value: object) -> Usage | None:
        """The counts in an answer's `usage`; None if they can't be read."""

    def path(self, message: object, param: object, written: Written) -> str | None:
        """The path in the client's request that an error is about, if known; `written` is the request as it left."""


class Pair(Protocol):
    """One client's dialect together with one endpoint's."""

    def request(self, asked: Asked) -> Written:
        """The request as it leaves. Raises BadRequest if it may not, Unsupported if the endpoint lacks a feature."""

    def answer(
        self,
        answer: Mapping[str, Any],
        usage: Usage | None,
        *,
        names: Mapping[str, str],
        known: Callable[[], str],
        model: str,
    ) -> dict[str, Any] | None:
        """A whole answer as the client reads it; None if it does not have the promised shape. `names` gives tools' own
        names by those in the endpoint's request, `known` the provider's id of the answer. Raises Unusable."""

    def usage_of(self, answer: Mapping[str, Any]) -> Usage | None:
        """The counts in the endpoint's answer; None if they can't be read."""

    def path(self, message: object, param: object, asked: Asked) -> str | None:
        """The path in the client's request that an error is about."""


class Translated:
    """Two dialects. See `Pair`."""

    def __init__(self, client: Client, native: Native) -> None:
        self._client, self._native = client, native

    def request(self, asked: Asked) -> Written:
        request, dropped = self._client.read(asked)
        written = self._native.write(request, dropped, asked)
        return replace(written, names=told_names(written.names, request.called)) if request.called else written

    def answer(
        self,
        answer: Mapping[str, Any],
        usage: Usage | None,
        *,
        names: Mapping[str, str],
        known: Callable[[], str],
        model: str,
    ) -> dict[str, Any] | None:
        deltas = self._native.deltas(answer, names, usage)
        return None if deltas is None else self._client.whole(deltas, known=known(), model=model)

    def usage_of(self, answer: Mapping[str, Any]) -> Usage | None:
        return self._native.usage_of(answer.get("usage"))

    def path(self, message: object, param: object, asked: Asked) -> str | None:
        # The request is written again: paths are needed only after an error.
        return self._native.path(message, param, self.request(asked))


Events = list[tuple[str, dict[str, Any], str]]  # type, payload, and the text if it came in the client's dialect


class Heard(Struct):
    """The result of a provider's event: `events` for the client, in its dialect. `content`: they hold a part of the
    answer, and not only its start. `pieces` counts the pieces of its text that are not empty, `size` their bytes.
    `counted` is what the provider has counted so far, if it says so."""

    events: Events = field(default_factory=list)
    content: bool = False
    pieces: int = 0
    size: int = 0
    counted: Usage | None = None


class Tap(Protocol):
    """An answer on its way. `ended`: the model said why it ends. `over`: nothing that matters can follow. `used`: its
    counts for billing."""

    @property
    def ended(self) -> bool: ...
    @property
    def over(self) -> bool: ...
    @property
    def used(self) -> Used | None: ...
    def hear(self, kind: str, event: dict[str, Any], data: str) -> Heard:
        """The provider's next event: type, payload, and its text if the provider's stream is text."""

    def end(self, *, done: bool) -> Events:
        """The events that are left after the last; `done`: it said that it was. Raises Unusable for a failed answer."""

    def cut(self) -> Events:
        """The events that end the answer here, as one that reached its cap."""


class Stream:
    """An answer as it is made, in the client's dialect: the provider's own events if it speaks that dialect, else
    translated ones. `most` is the number of output tokens asked for, for all `choices` together. `begun`: an event
    came, even if the client gets nothing of it. `said`: a part of the answer itself came."""

    def __init__(
        self, client: str, native: str, names: Mapping[str, str], *, known: str, model: str, most: int, choices: int = 1
    ) -> None:
        spoken, there = halves(client, native)
        if client == native:
            made = import_module(f"gateway.dialects.{client}.same").Passing(known=known, model=model, choices=choices)
            self.tap = cast(Tap, made)
        else:
            self.tap = _Translation(there.reader(names), spoken.writer(known=known, model=model))
        self._most, self._pieces, self._told, self._behind = most, 0, 0, False  # `behind`: text came after the count
        self.begun = self.said = False

    def hear(self, kind: str, event: dict[str, Any], data: str = "") -> Heard:
        self.begun = True
        heard = self.tap.hear(kind, event, data)
        self._pieces += heard.pieces
        self.said = self.said or heard.content
        if heard.counted is not None:
            self._told, self._behind = heard.counted.output_tokens, False
        elif heard.pieces:
            self._behind = True
        return heard

    @property
    def used(self) -> Used | None:
        """The counts that the answer is billed by. A count that came before the last text is not used."""
        return None if self._behind else self.tap.used

    @property
    def beyond(self) -> bool:
        """Whether an answer that has not ended is too long: by the provider's count, or by pieces, never by bytes."""
        return max(self._pieces, self._told) > self._most and not self.tap.ended


class _Translation:
    """See `Tap`."""

    def __init__(self, reader: Reader, writer: Writer) -> None:
        self._reader, self._writer, self._failed = reader, writer, ""
        self.ended, self.used = False, cast("Used | None", None)

    @property
    def over(self) -> bool:
        return self._reader.over

    def hear(self, kind: str, event: dict[str, Any], data: str) -> Heard:
        return self._passed(self._reader.hear(kind, event))

    def end(self, *, done: bool) -> Events:
        events = self._passed(self._reader.end(done=done)).events
        if self._failed:  # only after everything was read: the counts follow the end
            raise Unusable(self._failed)
        return events + self._last() if self.ended else events

    def cut(self) -> Events:
        return [(kind, event, "") for kind, event in self._writer.write(Finish("length"))] + self._last()

    def _last(self) -> Events:
        events = [(kind, event, "") for kind, event in self._writer.end()]
        if self._writer.failed:
            raise Unusable(self._writer.failed)
        return events

    def _passed(self, deltas: Iterable[Delta]) -> Heard:
        """The result of deltas. After a failure, which `end` raises, only their counts matter."""
        heard = Heard()
        for delta in deltas:
            if isinstance(delta, TextDelta):  # as most are
                text, content = delta.text, True
            elif isinstance(delta, Failed):
                self._failed = self._failed or delta.kind
                continue
            else:
                text, content = _said(delta), not isinstance(delta, (Start, Told, Used, BlockStop))
                self.ended = self.ended or isinstance(delta, Finish)
            if isinstance(delta, (Told, Used)):
                heard.counted = delta.usage
                self.used = delta if isinstance(delta, Used) else self.used
            elif self._failed:
                continue
            if text:
                heard.pieces += 1
                heard.size += len(text.encode(errors="replace"))
            heard.content = heard.content or content
            heard.events += [(kind, event, "") for kind, event in self._writer.write(delta)]
        return heard


def _said(delta: Delta) -> str:
    if isinstance(delta, Rest):  # whatever it is, the model produced it
        return json.dumps(delta.message, ensure_ascii=False) if delta.message else ""
    return text_of(delta)


@lru_cache(maxsize=32)
def pair(client: str, native: str) -> Pair:
    """The pair of two dialects. Dialects are loaded at their first use."""
    if client == native:
        return cast(Pair, import_module(f"gateway.dialects.{client}.same").SAME)
    made = getattr(import_module(f"gateway.dialects.{client}.roles"), "PAIR", Translated)
    return cast(Pair, made(*halves(client, native)))


def halves(client: str, native: str) -> tuple[Client, Native]:
    """The client half of a client's dialect, and the native half of an endpoint's."""
    spoken, there = (import_module(f"gateway.dialects.{each}.roles") for each in (client, native))
    return cast(Client, spoken.CLIENT), cast(Native, there.NATIVE)
