"""Whole streams at once: the work that the gateway does event by event, for tests that have all events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

from gateway.dialects.chat.stream import ChunkReader
from gateway.dialects.converse.stream import EventReader
from gateway.dialects.messages.stream import Reader
from gateway.dialects.messages.stream import Writer as MessagesWriter
from gateway.dialects.neutral import Delta
from gateway.dialects.responses.made.writer import Writer as ResponsesWriter

Event = tuple[str, dict[str, Any]]
Events = Iterable[tuple[str, Mapping[str, Any]]]


class _Reader(Protocol):
    def hear(self, kind: str, event: Mapping[str, Any]) -> Iterator[Delta]: ...


class _Writer(Protocol):
    def write(self, delta: Delta) -> Iterator[Event]: ...
    def end(self) -> Iterator[Event]: ...


def read_chunks(chunks: Iterable[Mapping[str, Any]]) -> Iterator[Delta]:
    """The deltas of a chat stream's chunks."""
    return _read(ChunkReader(), (("", chunk) for chunk in chunks))


def read_converse_events(events: Events, names: Mapping[str, str]) -> Iterator[Delta]:
    """The deltas of ConverseStream's events."""
    return _read(EventReader(names), events)


def read_messages_events(events: Events, names: Mapping[str, str]) -> Iterator[Delta]:
    """The deltas of the events of a message."""
    return _read(Reader(names), events)


def write_messages_events(deltas: Iterable[Delta], frame: Mapping[str, Any]) -> Iterator[Event]:
    """The events of a message. `frame` are its id and model."""
    return _written(MessagesWriter(frame), deltas)


def write_responses_events(deltas: Iterable[Delta], frame: Mapping[str, Any]) -> Iterator[Event]:
    """The events of a response. `frame` are its id, time and model."""
    return _written(ResponsesWriter(frame), deltas)


def _read(reader: _Reader, events: Events) -> Iterator[Delta]:
    for kind, event in events:
        yield from reader.hear(kind, event)


def _written(writer: _Writer, deltas: Iterable[Delta]) -> Iterator[Event]:
    for delta in deltas:
        yield from writer.write(delta)
    yield from writer.end()
