"""What an attempt tells breakers. Pure: how it ended goes in, a sign for its target and one for the host come out.

A connection that can't be had concerns the host, not one of its models: it is the host's breaker that hears of it, so
that one model's calls suspend what no other could reach either. Whatever answers, be it by a refusal, is reached.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from gateway.errors import UpstreamError, UpstreamTimeout

FIRST_BYTE_SECONDS = 120.0  # of an answer that is streamed, unless the config says another limit
_UNREACHABLE, _TOO_LARGE = "unreachable", "too_large"
# Statuses by which a host says that the request took its model too long, or that the model failed on it.
_OF_THE_REQUEST = (408, 424, 504)


class Sign(StrEnum):
    """WELL and ILL move a breaker. NOTHING does not: a fault of ours or of the caller's, a refusal. LATE is what the
    request may have brought about by itself: a deadline, ours or the host's, an answer that the model spoilt or made
    too long. It says nothing where one key meets it, or it would suspend a model for all; of three keys and no success
    it does."""

    WELL = "well"
    ILL = "ill"
    LATE = "late"
    NOTHING = "nothing"


class Signs(NamedTuple):
    """What one attempt tells of its host, and of its target: the model there."""

    host: Sign
    target: Sign


SILENT = Signs(Sign.NOTHING, Sign.NOTHING)
ANSWERED = Signs(Sign.WELL, Sign.WELL)


def signs_of(
    failure: UpstreamError, *, streamed: bool = False, silent_for: float = 0.0, first_byte: float = FIRST_BYTE_SECONDS
) -> Signs:
    """What a failed attempt tells. `streamed`: the provider was asked to send its answer as it is made; `silent_for`:
    how many seconds it sent not one byte, 0 where it began; `first_byte` the most of them that is well."""
    if not failure.sent:
        return Signs(Sign.ILL, Sign.NOTHING) if _without_connection(failure) else SILENT
    if failure.upstream_status is not None:
        return Signs(Sign.WELL, _answered(failure))
    if isinstance(failure, UpstreamTimeout):
        return Signs(Sign.NOTHING, Sign.ILL if streamed and silent_for >= first_byte else Sign.LATE)
    return Signs(Sign.NOTHING, Sign.LATE if failure.reason == _TOO_LARGE else Sign.ILL)


def _answered(failure: UpstreamError) -> Sign:
    """What a status tells of the model."""
    if not failure.failure:
        return Sign.NOTHING
    # An answer with its usage is the model's work, though it is none: a call of a tool that is no JSON, NaN in it.
    spoilt = failure.usage is not None or failure.upstream_status in _OF_THE_REQUEST
    return Sign.LATE if spoilt else Sign.ILL


def _without_connection(failure: UpstreamError) -> bool:
    # Anything else that was not sent is our own fault: a credential that can't be used, a defect before the connection.
    return isinstance(failure, UpstreamTimeout) or failure.reason == _UNREACHABLE
