"""Writes deltas as the events of a response's stream, and as a whole response.

An item is sent when it begins, in pieces, and complete when it is done: some clients read only the last.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Generator, Iterable, Iterator, Mapping
from typing import Any, Final

from msgspec.structs import replace

from gateway.dialects.neutral import (
    ArgumentsDelta,
    BlockStop,
    CitationDelta,
    Delta,
    Failed,
    Finish,
    ReasoningDelta,
    RedactedDelta,
    Rest,
    SignatureDelta,
    Start,
    TextDelta,
    Told,
    ToolStart,
    Used,
)
from gateway.dialects.responses.made.opened import Call, Message, Opened, Thought
from gateway.dialects.responses.usage import written_usage
from gateway.dialects.unsupported import Unusable

Event = tuple[str, dict[str, Any]]
_STATUS: Final[Mapping[str, tuple[str, str]]] = {
    "stop": ("completed", ""),
    "tool_calls": ("completed", ""),
    "length": ("incomplete", "max_output_tokens"),
    "content_filter": ("incomplete", "content_filter"),
}
_BROKE_OFF: Final = "The provider's answer broke off."


def write_answer(deltas: Iterable[Delta], frame: Mapping[str, Any]) -> dict[str, Any]:
    """A whole response: that of the last event. Raises Unusable if it ends in an error, or in a reason that Responses
    lacks."""
    writer = Writer(frame)
    for delta in deltas:
        for _ in writer.write(delta):
            pass
    last: dict[str, Any] = {}
    for _, event in writer.end():
        last = event
    if writer.failed:
        raise Unusable(writer.failed)
    response: dict[str, Any] = last["response"]
    return response


def begun(model: str) -> Iterator[Event]:
    """The first events of a response without content."""
    frame = {"id": f"resp_{uuid.uuid4().hex}", "created_at": int(time.time()), "model": model}
    return Writer(frame).write(Start())


class Writer:
    """Tracks the open items. `failed` is why there is no end. Events are numbered from 0."""

    def __init__(self, frame: Mapping[str, Any]) -> None:
        self._frame = {**frame, "object": "response"}
        self._number = -1
        self.failed = ""
        self._begun = self._over = False
        self._items: list[Opened] = []
        self._blocks: dict[int, Opened] = {}  # by the number of each block that is open
        self._ids: set[str] = set()
        self._rest: dict[str, Any] = {}
        self._citations: list[Mapping[str, Any]] = []
        self._finish: Finish | None = None
        self._used: Used | None = None

    def write(self, delta: Delta) -> Iterator[Event]:
        if self._over or isinstance(delta, Told):
            return
        if isinstance(delta, Finish):
            self._finish = delta
        elif isinstance(delta, Used):
            self._used = delta
        elif isinstance(delta, CitationDelta):
            self._citations.append(delta.citation)
        elif isinstance(delta, Failed):
            yield from self._fail(delta.kind, delta.message)
        else:
            yield from self._start()
            yield from self._said(delta)

    def end(self) -> Iterator[Event]:
        if self._over:
            return
        yield from self._start()
        known = _STATUS.get(self._finish.reason) if self._finish is not None else None
        if known is None:
            yield from self._fail("incomplete" if self._finish is None else "unknown_stop_reason")
            return
        status, reason = known
        for item in self._items:
            yield from self._numbered(item.end("completed" if status == "completed" else "incomplete"))
        self._over = True
        used = self._used
        response = self._response(status) | {
            "incomplete_details": {"reason": reason} if reason else None,
            "usage": None if used is None else written_usage(used.usage),
            **({"service_tier": used.tier} if used is not None and used.tier else {}),
            **self._beyond(),
        }
        yield self._event(f"response.{status}", response=response)

    def _start(self) -> Iterator[Event]:
        if not self._begun:
            self._begun = True
            yield self._event("response.created", response=self._response("in_progress"))
            yield self._event("response.in_progress", response=self._response("in_progress"))

    def _said(self, delta: Delta) -> Iterator[Event]:
        if isinstance(delta, TextDelta):
            if delta.text:  # providers refuse an empty text when it is sent back
                message = self._going_on(delta.block) or (yield from self._message(delta.block))
                yield from self._numbered(message.hear(delta))
        elif isinstance(delta, (ReasoningDelta, SignatureDelta, RedactedDelta)):
            thought = self._going_on(delta.block) or (yield from self._open(Thought(self._place("rs")), delta.block))
            yield from self._numbered(thought.hear(delta))
        elif isinstance(delta, ToolStart):
            yield from self._open(Call(self._place("fc"), self._own(delta)), delta.block)
        elif isinstance(delta, ArgumentsDelta) and delta.block in self._blocks:
            yield from self._numbered(self._blocks[delta.block].hear(delta))
        elif isinstance(delta, BlockStop) and delta.block in self._blocks:
            yield from self._numbered(self._blocks.pop(delta.block).stop(delta.block))
        elif isinstance(delta, Rest):
            said = {**delta.around, **delta.message}
            refusal = said.pop("refusal", None)
            if isinstance(refusal, str) and refusal:
                message = yield from self._message(-1)
                assert isinstance(message, Message)  # noqa: S101  it was opened above
                yield from self._numbered(message.refuse(refusal))
                self._blocks.pop(-1, None)
            self._rest |= said

    def _own(self, start: ToolStart) -> ToolStart:
        """The start with a unique id: some hosts give all calls the same id, and readers of the format refuse that."""
        if start.id in self._ids:
            start = replace(start, id=f"{start.id}_{len(self._items)}")
        self._ids.add(start.id)
        return start

    def _going_on(self, block: int) -> Opened | None:
        item = self._blocks.get(block)
        return None if item is None or item.over else item

    def _message(self, block: int) -> Generator[Event, None, Opened]:
        """The message for a text: the last item if it is an open message, else a new one."""
        last = self._items[-1] if self._items else None
        if isinstance(last, Message) and not last.over:
            self._blocks[block] = last
            return last
        return (yield from self._open(Message(self._place("msg")), block))

    def _open(self, item: Opened, block: int) -> Generator[Event, None, Opened]:
        last = self._items[-1] if self._items else None
        if isinstance(last, Message):
            yield from self._numbered(last.end("completed"))
        self._items.append(item)
        self._blocks[block] = item
        yield from self._numbered(item.begin())
        return item

    def _place(self, kind: str) -> tuple[int, str]:
        """The place of the next item, and its id."""
        place = len(self._items)
        return place, f"{kind}_{self._frame['id'].partition('_')[2][:40]}_{place}"

    def _response(self, status: str) -> dict[str, Any]:
        output = [item.written() for item in self._items] if status != "in_progress" else []
        return {**self._frame, "status": status, "error": None, "incomplete_details": None, "output": output}

    def _beyond(self) -> dict[str, Any]:
        others = [*(self._rest.pop("other_content", ())), *({"citation": each} for each in self._citations)]
        rest = self._rest | ({"other_content": others} if others else {})
        return {"other": rest} if rest else {}

    def _fail(self, kind: str, message: str = "") -> Iterator[Event]:
        yield from self._start()
        self._over, self.failed = True, kind
        error = {"code": "server_error", "message": message or _BROKE_OFF}
        yield self._event("response.failed", response=self._response("failed") | {"error": error, "usage": None})

    def _numbered(self, events: Iterable[Event]) -> Iterator[Event]:
        for kind, event in events:
            yield self._event(kind, **event)

    def _event(self, kind: str, **event: Any) -> Event:
        self._number += 1
        return kind, {"type": kind, "sequence_number": self._number, **event}
