"""The breaker's service over a store in memory that keeps the store's rules; contract/ judges the real one."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import observability
from gateway.breakers.admin import BreakerAdmin
from gateway.breakers.breaker import PROBE_LEASE_MS, Breaker, BreakerRules
from gateway.breakers.breakers import Breakers
from gateway.errors import StoreUnavailable, UpstreamUnavailable
from gateway.identity.caller import Caller
from tests.fakes.database import Clock

RULES = BreakerRules(failure_threshold=5, failure_ratio=0.5, window_ms=30_000, timeout_ms=60_000, half_open_calls=3)


class MemoryState:
    def __init__(self) -> None:
        self.items: dict[str, Breaker] = {}
        self.reads = self.writes = 0
        self.down = False

    def _touch(self) -> None:
        if self.down:
            raise StoreUnavailable("down")

    def get(self, provider: str) -> Breaker:
        self._touch()
        self.reads += 1
        return self.items.get(provider, Breaker(provider))

    def report(
        self, provider: str, failures: int, successes: int, now: int, rules: BreakerRules, slow: str = ""
    ) -> Breaker:
        self._touch()
        self.writes += 1
        item, window = self.items.get(provider, Breaker(provider)), rules.window(now)
        if item.open:
            return item
        if item.window != window:
            item = replace(item, window=window, failures=0, successes=0, slow=frozenset())
        item = replace(item, failures=item.failures + failures, successes=item.successes + successes)
        item = replace(item, slow=item.slow | ({slow} if slow else set()))
        self.items[provider] = item
        return item

    def trip(self, breaker: Breaker, now: int, rules: BreakerRules) -> bool:
        self._touch()
        self.writes += 1
        item = self.items.get(breaker.provider, Breaker(breaker.provider))
        if (item.open, item.opened) != (breaker.open, breaker.opened):
            return False
        until = now + rules.open_for(breaker.trips)
        self.items[breaker.provider] = replace(
            item, open=True, opened=now, until=until, trips=breaker.trips + 1, probes=0, lease=0
        )
        return True

    def lease_probe(self, provider: str, now: int, rules: BreakerRules) -> Breaker | None:
        self._touch()
        self.writes += 1
        item = self.items[provider]
        if item.state(now) != "half_open":
            return None
        out = item.probes if item.lease > now else 0
        if out >= rules.half_open_calls:
            return None
        self.items[provider] = replace(item, probes=out + 1, lease=now + PROBE_LEASE_MS)
        return self.items[provider]

    def return_probe(self, provider: str, now: int) -> None:
        self._touch()
        self.writes += 1
        item = self.items[provider]
        if item.open and item.probes > 0 and item.lease > now:
            self.items[provider] = replace(item, probes=item.probes - 1)

    def close(self, provider: str, now: int) -> None:
        self._touch()
        self.writes += 1
        self.items[provider] = Breaker(provider, opened=now)


@pytest.fixture
def state() -> MemoryState:
    return MemoryState()


@pytest.fixture
def clock() -> Clock:
    return Clock(1_800_000_000_000)


def fail(breakers: Breakers, times: int) -> None:
    for _ in range(times):
        breakers.failed(breakers.acquire("openai", RULES), RULES)


def refused(breakers: Breakers) -> UpstreamUnavailable:
    with pytest.raises(UpstreamUnavailable) as error:
        breakers.acquire("openai", RULES)
    return error.value


def test_a_healthy_provider_costs_a_read_a_second_and_no_write(state: MemoryState, clock: Clock) -> None:
    breakers = Breakers(state, clock)
    for _ in range(100):
        breakers.succeeded(breakers.acquire("openai", RULES), RULES)
        clock.advance(100)
    assert (state.reads, state.writes) == (10, 0)


def test_opens_at_the_threshold_for_every_container(state: MemoryState, clock: Clock) -> None:
    one, other = Breakers(state, clock), Breakers(state, clock)
    fail(one, 3)
    fail(other, 1)
    assert state.items["openai"].open is False
    fail(other, 1)
    clock.advance(1_000)
    for breakers in (one, other):
        error = refused(breakers)
        assert (error.status, error.sent, error.retry_after) == (503, False, 59.0)


def test_few_failures_among_many_successes_open_nothing(state: MemoryState, clock: Clock) -> None:
    clock.now -= clock.now % RULES.window_ms
    breakers = Breakers(state, clock)
    for _ in range(20):
        fail(breakers, 1)
        for _ in range(3):
            breakers.succeeded(breakers.acquire("openai", RULES), RULES)
    assert state.items["openai"].open is False


def test_failures_of_an_old_window_count_no_more(state: MemoryState, clock: Clock) -> None:
    breakers = Breakers(state, clock)
    fail(breakers, 4)
    clock.advance(RULES.window_ms)
    fail(breakers, 4)
    assert state.items["openai"].open is False


def test_half_open_lets_three_probes_through_for_all(state: MemoryState, clock: Clock) -> None:
    containers = [Breakers(state, clock) for _ in range(10)]
    fail(containers[0], 5)
    clock.advance(60_000)
    permits = []
    for breakers in containers:
        try:
            permits.append(breakers.acquire("openai", RULES))
        except UpstreamUnavailable:
            continue
    assert [permit.probe for permit in permits] == [True] * 3
    containers[0].succeeded(permits[0], RULES)
    clock.advance(1_000)
    assert all(not breakers.acquire("openai", RULES).probe for breakers in containers)


def test_a_failed_probe_opens_for_twice_as_long(state: MemoryState, clock: Clock) -> None:
    breakers = Breakers(state, clock)
    fail(breakers, 5)
    clock.advance(60_000)
    breakers.failed(breakers.acquire("openai", RULES), RULES)
    assert refused(breakers).retry_after == 120.0


def test_probes_that_never_report_free_their_places(state: MemoryState, clock: Clock) -> None:
    breakers = Breakers(state, clock)
    fail(breakers, 5)
    clock.advance(60_000)
    for _ in range(3):
        breakers.acquire("openai", RULES)
    refused(breakers)
    clock.advance(PROBE_LEASE_MS)
    assert breakers.acquire("openai", RULES).probe


def test_a_probe_that_says_nothing_is_given_back_and_decides_nothing(state: MemoryState, clock: Clock) -> None:
    breakers = Breakers(state, clock)
    fail(breakers, 5)
    clock.advance(60_000)
    for number in range(10):  # calls that the provider refuses for their own fault, or that are just long
        permit = breakers.acquire("openai", RULES)
        assert permit.probe
        breakers.said_nothing(permit) if number % 2 else breakers.ran_out(permit, RULES, f"key{number}")
        assert (state.items["openai"].open, state.items["openai"].probes) == (True, 0)
    breakers.succeeded(breakers.acquire("openai", RULES), RULES)
    assert state.items["openai"].open is False


def test_long_calls_of_one_key_open_nothing(state: MemoryState, clock: Clock) -> None:
    clock.now -= clock.now % RULES.window_ms
    one, other = Breakers(state, clock), Breakers(state, clock)
    for _ in range(50):
        for breakers in (one, other):
            breakers.ran_out(breakers.acquire("openai", RULES), RULES, "key1")
    one.ran_out(one.acquire("openai", RULES), RULES, "key2")
    assert state.items["openai"].open is False
    other.ran_out(other.acquire("openai", RULES), RULES, "key3")  # and nobody was answered meanwhile
    assert state.items["openai"].open is True


def test_calls_that_run_out_open_nothing_while_others_are_answered(state: MemoryState, clock: Clock) -> None:
    clock.now -= clock.now % RULES.window_ms
    one, other = Breakers(state, clock), Breakers(state, clock)
    one.ran_out(one.acquire("openai", RULES), RULES, "key1")
    clock.advance(1_000)
    other.acquire("openai", RULES)
    clock.advance(1_000)
    other.succeeded(other.acquire("openai", RULES), RULES)
    for number in range(9):
        one.ran_out(one.acquire("openai", RULES), RULES, f"key{number}")
    assert state.items["openai"].open is False


def test_successes_of_an_old_window_excuse_nothing(state: MemoryState, clock: Clock) -> None:
    breakers = Breakers(state, clock)
    for _ in range(1_000):
        breakers.succeeded(breakers.acquire("openai", RULES), RULES)
    clock.advance(RULES.window_ms)
    fail(breakers, 5)
    assert state.items["openai"].open is True


@given(
    events=st.lists(
        st.tuples(
            st.sampled_from(["well", "ill", "nothing", "slow"]),
            st.integers(0, 2),
            st.integers(0, 20_000),
            st.booleans(),
        ),
        max_size=60,
    )
)
def test_over_any_time_it_opens_by_what_a_window_says_alone(events: list[tuple[str, int, int, bool]]) -> None:
    """Two containers. An open breaker was opened by its own window's failures or slow keys, and what says nothing moves
    none."""
    state, clock = MemoryState(), Clock(1_800_000_000_000)
    containers = [Breakers(state, clock), Breakers(state, clock)]
    ill: list[int] = []
    slow: list[tuple[int, int]] = []
    for what, key, later, which in events:
        clock.advance(later)
        breakers, was = containers[which], state.items.get("openai", Breaker("openai")).open
        try:
            permit = breakers.acquire("openai", RULES)
        except UpstreamUnavailable:
            continue
        now, before = RULES.window(int(clock())), state.items.get("openai")
        match what:
            case "well":
                breakers.succeeded(permit, RULES)
            case "ill":
                ill.append(now)
                breakers.failed(permit, RULES)
            case "slow":
                slow.append((now, key))
                breakers.ran_out(permit, RULES, f"key{key}")
            case _:
                breakers.said_nothing(permit)
        after = state.items.get("openai", Breaker("openai"))
        if after.open and not was:
            assert ill.count(now) >= RULES.failure_threshold or len({each for at, each in slow if at == now}) == 3
        if what == "nothing" and not permit.probe:
            assert state.items.get("openai") == before


def test_an_operator_opens_and_only_an_operator_closes(state: MemoryState, clock: Clock) -> None:
    state.items["openai"] = Breaker("openai", open=True, forced=True, opened=1)
    breakers = Breakers(state, clock)
    clock.advance(10_000_000)
    assert refused(breakers).retry_after == 60.0


def test_a_store_that_is_down_stops_nothing(state: MemoryState, clock: Clock) -> None:
    state.down = True
    breakers = Breakers(state, clock)
    fail(breakers, 10)
    assert breakers.acquire("openai", RULES).probe is False


Lines = Callable[[], list[dict[str, Any]]]


def changes(log_lines: Lines) -> dict[str, float]:
    observability.flush("g", "f")
    lines = [line for line in log_lines() if "_aws" in line]
    names = ("CircuitBreakerOpened", "CircuitBreakerClosed")
    return {f"{line['Provider']} {name}": sum(line[name]) for line in lines for name in names if name in line}


def test_openings_and_closings_are_counted_once(
    state: MemoryState, clock: Clock, gateway_environment: None, log_lines: Lines
) -> None:
    containers = [Breakers(state, clock) for _ in range(3)]
    for breakers, times in zip(containers, (2, 2, 1), strict=True):
        fail(breakers, times)
    assert changes(log_lines) == {"openai CircuitBreakerOpened": 1}
    clock.advance(60_000)
    containers[0].succeeded(containers[0].acquire("openai", RULES), RULES)
    assert changes(log_lines) == {"openai CircuitBreakerClosed": 1}


def test_an_operator_counts_what_changes(
    state: MemoryState, clock: Clock, gateway_environment: None, log_lines: Lines
) -> None:
    class Switches(MemoryState):
        def force_open(self, provider: str, now: int) -> None:
            self.items[provider] = Breaker(provider, open=True, forced=True, opened=now)

    admin = BreakerAdmin(Switches(), ("openai", "bedrock"), clock)
    by = Caller(key_id="k", tier="free", scopes=("admin",), version=1)
    for _ in range(2):
        admin.act({"action": "open", "providers": ["openai"]}, by)
    assert changes(log_lines) == {"openai CircuitBreakerOpened": 1}
    admin.act({"action": "reset"}, by)
    assert changes(log_lines) == {"openai CircuitBreakerClosed": 1}


@given(trips=st.integers(0, 200), timeout=st.integers(100, 3_600_000))
def test_openings_grow_and_stay_bounded(trips: int, timeout: int) -> None:
    rules = replace(RULES, timeout_ms=timeout)
    assert timeout <= rules.open_for(trips) <= rules.open_for(trips + 1) <= max(timeout, 600_000)
