"""From a client's dialect to an endpoint's and back, for any two of them: each dialect knows its own half.

`<dialect>/roles.py` has a dialect's halves: `CLIENT` of one that clients speak, `NATIVE` of one that an endpoint does;
`<dialect>/same.py` what is done where it is both. The same dialect on both sides is passed through, after policing:
nothing is translated, so nothing is lost. Otherwise a request goes through the neutral form, and an answer through its
deltas.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from importlib import import_module
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, cast

from gateway.dialects.neutral import Delta, Failed, Finish, Request, Told, Used
from gateway.dialects.unsupported import Unusable
from gateway.dialects.written import Written
from gateway.models.usage import Usage
from gateway.models.vendors import Quirks, Sampling


class Asked(NamedTuple):
    """`body` is the client's own document, `model` the provider's id, `cap` the most output tokens (per choice), which
    are enforced whatever the body says. `streamed`: the answer is wanted as it is made. `beta` is the client's header
    of betas.

    `metadata` are names and values for the provider's log, where it has one. `one_tool`: the model takes Anthropic's
    `tool_choice` among its own fields. `sampling`: whether it takes a temperature and `top_p`, one of them, or neither.
    `quirks` are the endpoint's.
    """

    body: Mapping[str, Any]
    model: str
    cap: int
    streamed: bool = False
    beta: str = ""
    metadata: Mapping[str, str] = MappingProxyType({})
    one_tool: bool = False
    sampling: Sampling = "one"
    quirks: Quirks = Quirks()


class Reader(Protocol):
    """The events of one stream into deltas."""

    def hear(self, kind: str, event: Mapping[str, Any]) -> Iterator[Delta]:
        """The deltas of the next event, by its type (empty where it has none) and payload. Raises Unusable."""


class Writer(Protocol):
    """Deltas into the events of one stream: each its type (empty where the dialect has none) and payload."""

    def write(self, delta: Delta) -> Iterator[tuple[str, dict[str, Any]]]:
        """The events that a delta makes."""

    def end(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Those that are left when all deltas have come."""


class Client(Protocol):
    """The half of a dialect that clients speak."""

    def read(self, asked: Asked) -> tuple[Request, list[str]]:
        """What a body says, and the paths of what it says in vain. Raises BadRequest, Unsupported."""

    def whole(self, deltas: Iterable[Delta], *, known: str, model: str) -> dict[str, Any]:
        """The answer of these deltas. `known` is what the provider knows it by."""

    def writer(self, *, known: str, model: str) -> Writer:
        """The same as it is made."""


class Native(Protocol):
    """The half of a dialect that an endpoint speaks."""

    def write(self, request: Request, dropped: list[str], asked: Asked) -> Written:
        """The body that says it, but for what is the endpoint's own. Raises Unsupported, BadRequest."""

    def deltas(self, answer: Mapping[str, Any], names: Mapping[str, str]) -> list[Delta] | None:
        """Of a whole answer; None where it has not the promised shape. Raises Unusable."""

    def reader(self, names: Mapping[str, str]) -> Reader:
        """Of a stream's events."""

    def usage_of(self, value: object) -> Usage | None:
        """The counts in an answer's `usage`; None where they can't be read."""

    def path(self, message: object, param: object, written: Written) -> str | None:
        """The path in the client's request of what an error speaks of; None where that is unknown. `written` is the
        request as it left."""


class Pair(Protocol):
    """One client's dialect and one endpoint's."""

    def request(self, asked: Asked) -> Written:
        """The body that leaves. Raises BadRequest for what may not, Unsupported for what the endpoint has no words
        for."""

    def answer(
        self,
        answer: Mapping[str, Any],
        usage: Usage | None,
        *,
        names: Mapping[str, str],
        known: Callable[[], str],
        model: str,
    ) -> dict[str, Any] | None:
        """A whole answer as the client reads it; None where it has not the promised shape. `names` gives tools' own
        names for those that the endpoint was told, `known` gives what the provider knows it by. Raises
        Unusable."""

    def usage_of(self, value: object) -> Usage | None:
        """The counts in the endpoint's `usage`; None where they can't be read."""

    def path(self, message: object, param: object, asked: Asked) -> str | None:
        """The path in the client's request of what an error speaks of."""


class Translated:
    """Two dialects. See `Pair`."""

    def __init__(self, client: Client, native: Native) -> None:
        self._client, self._native = client, native

    def request(self, asked: Asked) -> Written:
        request, dropped = self._client.read(asked)
        return self._native.write(request, dropped, asked)

    def answer(
        self,
        answer: Mapping[str, Any],
        usage: Usage | None,
        *,
        names: Mapping[str, str],
        known: Callable[[], str],
        model: str,
    ) -> dict[str, Any] | None:
        deltas = self._native.deltas(answer, names)
        return None if deltas is None else self._client.whole(deltas, known=known(), model=model)

    def usage_of(self, value: object) -> Usage | None:
        return self._native.usage_of(value)

    def path(self, message: object, param: object, asked: Asked) -> str | None:
        # The request is written once more: only an error asks where things stand.
        return self._native.path(message, param, self.request(asked))


class Piece(NamedTuple):
    """One event of an answer in the client's dialect, None where what was heard makes none (yet), and the deltas that
    were heard with it: each stands in one piece."""

    kind: str
    event: dict[str, Any] | None
    deltas: tuple[Delta, ...] = ()


class Stream:
    """An answer as it is made, in the client's dialect. `heard` are the deltas that came so far, `failed` is why the
    answer is none."""

    def __init__(self, client: str, native: str, names: Mapping[str, str], *, known: str, model: str) -> None:
        self._client, there = _halves(client, native)
        self._reader = there.reader(names)
        self._writer = None if client == native else self._client.writer(known=known, model=model)
        self._known, self._model = known, model
        self.heard: list[Delta] = []
        self.failed = ""

    def hear(self, kind: str, event: Mapping[str, Any]) -> Iterator[Piece]:
        """What the provider's next event makes; in the client's own dialect it is passed on as it came. Raises
        Unusable."""
        deltas = tuple(self._tapped(self._reader.hear(kind, event)))
        if self._writer is None:
            yield Piece(kind, dict(event), deltas)
            return
        for delta in deltas:
            heard: tuple[Delta, ...] = (delta,)
            for name, payload in self._writer.write(delta):
                yield Piece(name, payload, heard)
                heard = ()
            if heard:
                yield Piece("", None, heard)

    def end(self) -> Iterator[Piece]:
        """What is left when the provider's last event was heard. Raises Unusable where the answer is none."""
        if self._writer is not None:
            if self.failed:  # now that all was read: the counts come behind the end
                raise Unusable(self.failed)
            for kind, event in self._writer.end():
                yield Piece(kind, event)

    @property
    def same(self) -> bool:
        """Whether the provider speaks the client's dialect."""
        return self._writer is None

    @property
    def ended(self) -> bool:
        """Whether the model said why its answer ends: one that did not was cut off."""
        return any(isinstance(delta, Finish) for delta in self.heard)

    @property
    def used(self) -> Used | None:
        return next((delta for delta in reversed(self.heard) if isinstance(delta, Used)), None)

    def whole(self) -> dict[str, Any]:
        """The whole answer. Raises Unusable."""
        return self._client.whole(self.heard, known=self._known, model=self._model)

    def _tapped(self, deltas: Iterable[Delta]) -> Iterator[Delta]:
        """The deltas that may be passed on: none behind a failure, which the end tells."""
        for delta in deltas:
            if isinstance(delta, Failed):
                self.failed = self.failed or delta.kind
            else:
                self.heard.append(delta)
                if not self.failed or isinstance(delta, (Told, Used)):
                    yield delta


@lru_cache(maxsize=32)
def pair(client: str, native: str) -> Pair:
    """Dialects are loaded when they are first spoken."""
    if client == native:
        return cast(Pair, import_module(f"gateway.dialects.{client}.same").SAME)
    return Translated(*_halves(client, native))


def _halves(client: str, native: str) -> tuple[Client, Native]:
    spoken, there = (import_module(f"gateway.dialects.{each}.roles") for each in (client, native))
    return cast(Client, spoken.CLIENT), cast(Native, there.NATIVE)
