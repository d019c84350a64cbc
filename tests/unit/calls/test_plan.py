"""The amount that a plan holds, how long an attempt may take, and after which failures the call goes to another
target."""

from dataclasses import dataclass
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.calls.estimate import Estimate
from gateway.calls.plan import LEAST_SECONDS, MOST_TARGETS, SETTLE_SECONDS, Place, Plan, Target, moves_on, seconds_for
from gateway.dialects.chat.schema import ChatRequest
from gateway.errors import (
    BadRequest,
    BudgetExceeded,
    GatewayError,
    StoreUnavailable,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from gateway.models.model_names import Route
from gateway.models.money import Price
from gateway.models.vendors import packaged
from gateway.transport import Broken, NotSent, TimedOut, TooLarge
from gateway.vendors.base import ModelCall, Prepared, Provider
from gateway.vendors.failures import refused, rejected_here, unanswered, unusable

ENDPOINT = packaged()["openai"].endpoints["chat"]
REQUEST = ChatRequest.model_validate({"model": "m", "messages": [{"role": "user", "content": "hi"}]})


@dataclass
class Host:
    name: str = "openai"
    region: str = "eu"


def target(cost: int, tokens: int, model: str = "openai/m") -> Target:
    call = ModelCall(model="m", body={}, max_output_tokens=1, timeout=20.0)
    route = Route("m", model, Price(input=1, output=1))
    est = Estimate(cost, tokens, 1, cost // 2, 1, ())
    return Target(Place.of(route, cast(Provider, Host())), Prepared(call, ENDPOINT, b"{}"), est)


@given(st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**6)), min_size=1, max_size=MOST_TARGETS))
def test_the_hold_is_the_most_of_any_target_in_money_and_in_tokens_each(pairs: list[tuple[int, int]]) -> None:
    plan = Plan(REQUEST, tuple(target(cost, tokens) for cost, tokens in pairs))
    assert plan.est == max(cost for cost, _ in pairs)
    assert plan.typical == max(cost // 2 for cost, _ in pairs)
    assert plan.tokens == max(tokens for _, tokens in pairs)


def test_a_plan_names_each_target_once_and_has_one_at_least() -> None:
    one, other = target(1, 1), target(1, 1, "bedrock/a.b-v1:0")
    plan = Plan(REQUEST, (one, other, one))
    assert plan.models == ("openai/m", "bedrock/a.b-v1:0")
    assert [each.breaker.text for each in plan.targets[:2]] == ["openai/m@eu", "bedrock/a.b-v1:0@eu"]
    for wrong in ((), (one,) * (MOST_TARGETS + 1)):
        with pytest.raises(ValueError, match="a plan has one target at least"):
            Plan(REQUEST, wrong)


def test_an_attempt_has_what_is_left_but_for_what_settling_takes() -> None:
    assert seconds_for("openai", 10.0) == 10.0 - SETTLE_SECONDS
    assert (target(1, 1).within(3.5).timeout, target(1, 1).within(30.0).timeout) == (3.5, 20.0)
    with pytest.raises(UpstreamTimeout) as late:
        seconds_for("openai", SETTLE_SECONDS + LEAST_SECONDS - 0.01)
    assert late.value.sent is False


@pytest.mark.parametrize(
    ("failure", "next_one"),
    [
        (unanswered("x", NotSent("refused")), True),
        (unanswered("x", TimedOut("late", sent=True)), True),
        (unanswered("x", Broken("reset")), True),
        (unanswered("x", TooLarge("6 MB")), True),
        (unusable("x", "schema"), True),
        *((refused("x", status, {}), True) for status in (401, 403, 404, 408, 409, 429, 500, 503, 504, 529)),
        *((refused("x", status, {}), False) for status in (400, 413, 415, 422)),
        (refused("x", 400, {}, code="context_length_exceeded"), False),
        (refused("x", 400, {}, code="content_filter"), False),
        (rejected_here("x", "no such field", "logprobs"), False),
        (UpstreamUnavailable("open", provider="x", sent=False), True),
        (StoreUnavailable("the secret can't be read"), True),
        (BadRequest("no"), False),
        (BudgetExceeded("no room"), False),
    ],
)
def test_another_target_is_asked_where_it_may_do_better(failure: GatewayError, next_one: Any) -> None:
    assert moves_on(failure) is next_one
