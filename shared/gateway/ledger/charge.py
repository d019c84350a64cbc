"""What a call costs, by how it ended: one rule for every vendor."""

from __future__ import annotations

from enum import StrEnum

from gateway.models.money import Cost


class Verdict(StrEnum):
    """How a call ended.

    ANSWERED: as promised. UNUSABLE: the whole response came with a success status, but it is not an answer (an error
    object, HTML, no choices). REFUSED: a status other than success. NOT_SENT: nothing reached the provider. UNKNOWN:
    the call was sent, and nobody can know what was produced (our deadline, a reset, a hang-up, an answer that was cut
    off). CUT: as UNKNOWN, but content had come, and everything produced until then was seen. A batch is CUT if it ended
    in any way after parts of it had been answered.
    """

    ANSWERED = "answered"
    UNUSABLE = "unusable"
    REFUSED = "refused"
    NOT_SENT = "not_sent"
    UNKNOWN = "unknown"
    CUT = "cut"


def charge(verdict: Verdict, bill: Cost | None, hold: int) -> Cost:
    """The cost of a call. `bill` is the cost of the usage that came with the answer, None if none came; `hold` is in
    micro-dollars."""
    if verdict is Verdict.UNKNOWN:
        return Cost(hold, 0)
    if verdict in (Verdict.ANSWERED, Verdict.UNUSABLE, Verdict.CUT) and bill is not None:
        return bill
    return Cost(0, 0)


def succeeded(status: int) -> bool:
    """Whether a status promises an answer."""
    return 200 <= status < 300


def verdict_of(*, sent: bool, status: int | None) -> Verdict:
    """The verdict on a call that failed. `sent`: it may have been sent. `status` is that of the response if all of it
    came."""
    if not sent:
        return Verdict.NOT_SENT
    if status is None:
        return Verdict.UNKNOWN
    return Verdict.UNUSABLE if succeeded(status) else Verdict.REFUSED
