"""What an attempt tells breakers. Pure: the outcome goes in; a sign for the target and a sign for the host come out.

A connection that can't be made concerns the host, not one of its models. So the host's breaker counts it, and one
model's calls suspend the other models that can't be reached either. A host that answers at all, even with an error, is
reachable.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from gateway.errors import UpstreamError, UpstreamTimeout

FIRST_BYTE_SECONDS = 120.0  # of a streamed answer, unless the config sets another limit
_UNREACHABLE, _TOO_LARGE = "unreachable", "too_large"
# Statuses by which a host says that the request took its model too long, or that the model failed on the request.
_OF_THE_REQUEST = (408, 424, 504)


class Sign(StrEnum):
    """WELL and ILL count for a breaker. NOTHING does not count: a fault of ours or of the caller's, or a refusal. LATE
    is a failure that the request itself may have caused: a deadline, ours or the host's, or an answer that the model
    spoilt or made too long. LATE from one key does not count, because one key could then suspend a model for all. From
    three keys, without any success, it counts."""

    WELL = "well"
    ILL = "ill"
    LATE = "late"
    NOTHING = "nothing"


class Signs(Struct, frozen=True):
    """What one attempt tells of its host, and of its target (the model there)."""

    host: Sign
    target: Sign


SILENT = Signs(Sign.NOTHING, Sign.NOTHING)
ANSWERED = Signs(Sign.WELL, Sign.WELL)


def signs_of(
    failure: UpstreamError, *, streamed: bool = False, silent_for: float = 0.0, first_byte: float = FIRST_BYTE_SECONDS
) -> Signs:
    """What a failed attempt tells. `streamed`: the provider was asked to stream its answer. `silent_for`: for how many
    seconds it sent no byte, 0 if it began. `first_byte`: how many such seconds are still acceptable."""
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
    # A failure with usage is the model's work, even though the answer is unusable: a tool call that is not JSON, or has
    # NaN in it.
    spoilt = failure.usage is not None or failure.upstream_status in _OF_THE_REQUEST
    return Sign.LATE if spoilt else Sign.ILL


def _without_connection(failure: UpstreamError) -> bool:
    # Anything else that was not sent is our own fault: an unusable credential, a defect before the connection.
    return isinstance(failure, UpstreamTimeout) or failure.reason == _UNREACHABLE
