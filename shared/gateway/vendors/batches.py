"""An attempt whose request leaves in several parts, one after the other, each of which is billed separately.

Its cost is known however it ends: an answered part costs what it counted, a part that may have been answered costs its
upper bound, and a part that was never sent costs nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from typing import Any

from msgspec.structs import replace

from gateway.dialects.vectors.answers import joined, written_usage
from gateway.errors import UpstreamError, UpstreamTimeout
from gateway.models.usage import Usage
from gateway.vendors.base import Answer, Chunk, Counted, Event, Prepared

Ask = Callable[[Prepared], Generator[Event]]


def in_parts(provider: str, prepared: Prepared, ask: Ask) -> Iterator[Event]:
    """The events of all parts; the last event is the whole answer. `ask` returns the events of one part. Raises
    UpstreamErrors, with the attempt's billed usage if a part was answered before."""
    deadline = time.monotonic() + prepared.timeout
    answers: list[dict[str, Any]] = []
    used = Usage()
    for body, most in prepared.parts:
        unknown = Usage(input_tokens=most, source="counted")
        # If the attempt breaks off now, it owes at most this part in addition to the answered ones.
        yield Counted(_sum(used, unknown), final=True)
        try:
            left = deadline - time.monotonic()
            if left <= 0:
                raise _late(provider)
            one = replace(prepared, seconds=left, body=body)
            with closing(ask(one)) as events:
                for event in events:
                    if isinstance(event, Answer):
                        answers.append(event.body)
                        used = _sum(used, unknown if event.usage is None else event.usage)
                    else:
                        yield event
        except UpstreamError as failure:
            if answers:
                failure.usage = _sum(used, _owed(failure, unknown))
            raise
        yield Chunk({})  # content has come: no other target is asked for all of it again
    yield Answer(joined(answers, written_usage(used)), used)


def _owed(failure: UpstreamError, unknown: Usage) -> Usage:
    """The usage that the failed part may be billed for."""
    if isinstance(failure.usage, Usage):
        return failure.usage
    return unknown if failure.sent and failure.upstream_status is None else Usage()


def _sum(one: Usage, other: Usage) -> Usage:
    source = "counted" if "counted" in (one.source, other.source) else one.source
    return Usage(input_tokens=one.prompt_tokens + other.prompt_tokens, source=source)


def _late(provider: str) -> UpstreamTimeout:
    return UpstreamTimeout(f"The provider {provider} did not answer in time.", provider=provider, sent=False)
