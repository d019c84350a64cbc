"""The short ways of an admission and of a row give what the general way gives."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from gateway.config.document import TierLimits
from gateway.dynamodb.attributes import from_item, to_item
from gateway.identity.caller import Caller, Raise, Shared
from gateway.identity.caller import KeyLimits as Limits
from gateway.ledger.accounts import Account, key_account
from gateway.ledger.admission import Demand, Terms, Windows, booking_of
from gateway.ledger.holds import AdmissionRequest, Admitted, Outcome, row_of
from gateway.ledger.limits_store import LimitsStore
from gateway.ledger.moves import Guess, Variant, kept_busy, variant_of
from gateway.ledger.refusals import fits, hopeless
from gateway.ledger.rows_store import RowAccount, minute_partition, partition_of
from gateway.limits import COUNTED, LIMITS, Bucket
from gateway.models.usage import Usage
from tests.fakes.database import ScriptedDatabase

NOW = 1_800_000_000_123_456
WINDOWS = Windows.at(NOW)
buckets = st.builds(Bucket, st.integers(1, 1_000_000), st.integers(1, 1_000))
terms = st.builds(
    lambda shadow, **limits: Terms(limits, shadow=shadow),
    st.frozensets(st.sampled_from(["requestsPerMinute", "tokensPerMinute"])),
    requests_per_minute=buckets,
    tokens_per_minute=buckets,
)
items = st.dictionaries(st.sampled_from(["tat", "ttat"]), st.integers(NOW - 2_000_000, NOW + 2_000_000))


@settings(max_examples=200, deadline=None)
@given(terms, items, st.integers(0, 1_500))
def test_a_bucket_that_is_known_to_be_idle_moves_as_any_other(terms: Terms, item: dict[str, Any], tokens: int) -> None:
    at_length = Guess(item, busy_until={"of another bucket": NOW + 1})
    assert variant_of(Guess(item), terms, Demand(0, tokens), NOW) == variant_of(
        at_length, terms, Demand(0, tokens), NOW
    )


@settings(max_examples=100, deadline=None)
@given(terms, items, st.integers(0, 1_500))
def test_nobody_keeps_a_bucket_busy_that_an_update_found_idle(terms: Terms, seen: dict[str, Any], tokens: int) -> None:
    left = {each.name: NOW - each.slack + each.bucket.cost(each.limit.asks(tokens)) for each in terms.rates}
    assert kept_busy(seen, left, terms, Demand(0, tokens), Variant(), NOW) == {}


@given(
    terms,
    st.none() | st.integers(1, 1_000),
    st.none() | st.builds(Raise, st.integers(1, 1_000), st.just(NOW // 1_000_000 + 60)),
    st.integers(0, 2_000),
    st.integers(0, 1_500),
)
def test_a_call_that_asks_for_no_more_than_the_least_fits_each_limit(
    terms: Terms, budget: int | None, raised: Raise | None, est: int, tokens: int
) -> None:
    limits = dict(terms.limits) if budget is None else {**terms.limits, "max_budget": budget}
    whole, demand = Terms(limits, shadow=terms.shadow, budget_raise=raised), Demand(est, tokens)
    refused = list(hopeless({}, whole, demand, WINDOWS))
    if raised is None:
        assert fits(whole, demand) == (not refused)
    else:  # a raise is looked at only after that
        assert not (fits(whole, demand) and refused)


@given(terms, st.integers(1, 500), st.integers(1, 500))
def test_terms_that_are_ready_say_what_their_limits_say(terms: Terms, requests: int, budget: int) -> None:
    limits = {**terms.limits, "requests_per_day": requests, "max_budget": budget}
    ready = Terms(limits, shadow=terms.shadow | {"requestsPerDay"})
    assert {each.limit.field: each.bucket for each in ready.rates} == dict(terms.limits)
    assert all((each.slack, each.step) == (each.bucket.slack, each.bucket.step) for each in ready.rates)
    for limit in LIMITS:
        assert ((limit, ready.most(limit)) in ready.counted) == (
            limit in COUNTED and limit.field in limits and ready.enforced(limit.name)
        )
        assert (limit in dict(ready.wholes)) == (limit.field in limits and ready.enforced(limit.name))
    assert ready.budget == budget


def test_a_moment_knows_where_its_calls_are_booked() -> None:
    assert WINDOWS.booking is booking_of(WINDOWS.hour, WINDOWS.budget)


@pytest.mark.parametrize(
    "item",
    [
        {"id": {"S": "k_1"}, "tat": {"N": "17"}, "used_total": {"N": "-5"}, "g_2027-01-15": {"BS": ["YQ=="]}},
        {"id": {"S": "k_1"}, "tat": {"N": "1.5"}, "odd": {"L": [{"N": "2"}]}, "none": {"NULL": True}},
        to_item({"id": "k_1", "mapped": {"a": 1}, "yes": True}),
    ],
)
def test_an_admitted_item_is_read_as_any_other(item: dict[str, Any]) -> None:
    store = LimitsStore(ScriptedDatabase({"Attributes": item}), "limits", "api-keys")
    assert store.admit("k_1", 1, Terms({}), Demand(0, 0), WINDOWS, Variant()) == from_item(item)


def test_each_field_of_a_row_is_where_its_name_says() -> None:
    terms, item = Terms({"max_budget": 1_000}), {f"d_{WINDOWS.day}": 7}
    key = Admitted(Account("k_1", 3, terms, "key", "free"), WINDOWS, item, budget=1_000)
    team = Admitted(Account("team#t", 1, terms, "team", "team"), WINDOWS, {}, budget=900)
    caller = Caller("k_1", "free", ("completions",), 3, team_id="t")
    deadline = NOW // 1_000_000 + 60
    facts = {"dialect": "chat"}
    request = AdmissionRequest(
        "req_1", "gpt-4", "openai/gpt-4o", "openai", 200, 30, deadline, "corr", ("a-tag",), facts=facts
    )
    assert structs.asdict(row_of(caller, [key, team], request, 150)) == {
        "minute": partition_of("req_1", NOW, deadline),
        "rid": "req_1",
        "key": "k_1",
        "tier": "free",
        "model": "gpt-4",
        "target": "openai/gpt-4o",
        "provider": "openai",
        "hour": WINDOWS.hour,
        "est": 150,
        "created": NOW,
        "deadline": deadline,
        "team": "t",
        "window": WINDOWS.budget,
        "budget": 1_000,
        "accounts": (RowAccount("team#t", WINDOWS.budget, 900),),
        "correlation": "corr",
        "tags": ("(other)",),
        "number": 7,
        "tokens": 30,
        "facts": facts,
    }


def test_a_call_that_was_counted_used_every_token_once() -> None:
    usage = Usage(1, 20, 300, 4_000, 50_000, reasoning_tokens=40_000)  # which are a part of the output
    assert usage.total_tokens == 54_321
    assert Outcome(usage, 1, 1, "ok", 1).tokens(7) == 54_321


@pytest.mark.parametrize(("seconds", "length", "spread"), [(60, "short", 4), (120, "short", 4), (121, "long", 2)])
def test_a_row_is_in_a_partition_of_its_minute_and_length(seconds: int, length: str, spread: int) -> None:
    of_minute = {minute_partition(NOW // 1_000_000, suffix, length) for suffix in range(spread)}
    found = {partition_of(f"req_{number}", NOW, NOW // 1_000_000 + seconds) for number in range(100)}
    assert found == of_minute


def test_no_row_is_longer_than_the_longest_class() -> None:
    with pytest.raises(ValueError, match="beyond every class"):
        partition_of("req_1", NOW, NOW // 1_000_000 + 1_201)


@pytest.mark.parametrize(
    ("more", "alone"),
    [({}, True), ({"team_id": "t"}, True), ({"team_id": "t", "team": Shared(1, Limits(rpm_limit=1))}, False)],
)
def test_a_key_stands_alone_if_nothing_else_limits_it(more: dict[str, Any], alone: bool) -> None:
    caller = Caller("k_1", "free", ("completions",), 3, **more)
    assert key_account(caller, lambda _tier: TierLimits(requests_per_minute=1)).alone is alone
