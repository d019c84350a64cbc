"""The cost of a call, by the way in which it ended, as a table."""

import pytest

from gateway.ledger.charge import Verdict, charge, verdict_of
from gateway.models.money import Cost

BILL = Cost(prompt=3, completion=4)
HOLD = 1_000


@pytest.mark.parametrize(
    ("sent", "status", "verdict"),
    [
        (False, None, Verdict.NOT_SENT),
        (False, 200, Verdict.NOT_SENT),
        (True, None, Verdict.UNKNOWN),
        (True, 200, Verdict.UNUSABLE),
        (True, 204, Verdict.UNUSABLE),
        (True, 299, Verdict.UNUSABLE),
        (True, 103, Verdict.REFUSED),
        (True, 302, Verdict.REFUSED),
        (True, 404, Verdict.REFUSED),
        (True, 500, Verdict.REFUSED),
        (True, 999, Verdict.REFUSED),
    ],
)
def test_the_verdict_on_a_failure(sent: bool, status: int | None, verdict: Verdict) -> None:
    assert verdict_of(sent=sent, status=status) is verdict


@pytest.mark.parametrize(
    ("verdict", "with_usage", "without"),
    [
        (Verdict.ANSWERED, BILL, Cost(0, 0)),
        (Verdict.UNUSABLE, BILL, Cost(0, 0)),
        (Verdict.REFUSED, Cost(0, 0), Cost(0, 0)),
        (Verdict.NOT_SENT, Cost(0, 0), Cost(0, 0)),
        (Verdict.UNKNOWN, Cost(HOLD, 0), Cost(HOLD, 0)),
    ],
)
def test_the_cost_of_a_verdict(verdict: Verdict, with_usage: Cost, without: Cost) -> None:
    assert charge(verdict, BILL, HOLD) == with_usage
    assert charge(verdict, None, HOLD) == without
