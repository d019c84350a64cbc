"""The breaker's service over a store in memory; tests/contract judges it over the real one."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway import observability
from gateway.breakers.admin import BreakerAdmin
from gateway.breakers.breaker import PROBE_LEASE_MS, Breaker, BreakerKey, BreakerRules
from gateway.breakers.breakers import Breakers, Permit
from gateway.breakers.signs import ANSWERED, SILENT, Sign, Signs
from gateway.errors import BadRequest, UpstreamUnavailable
from gateway.identity.caller import Caller
from tests.fakes.breakers import MemoryState
from tests.fakes.database import Clock

RULES = BreakerRules(failure_threshold=5, failure_ratio=0.5, window_ms=30_000, timeout_ms=60_000, half_open_calls=3)


TARGET = BreakerKey("openai", "global", "gpt-4")
OTHER = BreakerKey("openai", "global", "gpt-4o")
HOST = BreakerKey("openai", "global")
ILL = Signs(Sign.WELL, Sign.ILL)
LATE = Signs(Sign.NOTHING, Sign.LATE)
UNREACHED = Signs(Sign.ILL, Sign.NOTHING)


@pytest.fixture
def state() -> MemoryState:
    return MemoryState()


@pytest.fixture
def clock() -> Clock:
    return Clock(1_800_000_000_000)


def tell(breakers: Breakers, permit: Permit, signs: Signs, key: str = "key1") -> None:
    breakers.tell(permit, signs, RULES, key)


def call(breakers: Breakers, signs: Signs, key: str = "key1", target: BreakerKey = TARGET) -> None:
    tell(breakers, breakers.acquire(target, RULES), signs, key)


def fail(breakers: Breakers, times: int) -> None:
    for _ in range(times):
        call(breakers, ILL)


def refused(breakers: Breakers) -> UpstreamUnavailable:
    with pytest.raises(UpstreamUnavailable) as error:
        breakers.acquire(TARGET, RULES)
    return error.value


def test_a_healthy_provider_costs_a_read_a_second_and_no_write(state: MemoryState, clock: Clock) -> None:
    breakers = Breakers(state, clock)
    for _ in range(100):
        tell(breakers, breakers.acquire(TARGET, RULES), ANSWERED)
        clock.advance(100)
    assert (state.reads, state.writes) == (10, 0)


def test_a_way_is_read_again_when_the_clock_went_back(state: MemoryState, clock: Clock) -> None:
    breakers = Breakers(state, clock)
    breakers.acquire(TARGET, RULES)
    clock.advance(300)
    breakers.acquire(OTHER, RULES)  # reads only its own breaker, and not the host's again
    breakers.acquire(OTHER, RULES)
    assert state.reads == 2
    clock.advance(-100)  # before OTHER's own breaker was read
    breakers.acquire(OTHER, RULES)
    assert state.reads == 3
    breakers.acquire(OTHER, RULES)
    breakers.acquire(TARGET, RULES)
    assert state.reads == 3
    clock.advance(-500)  # before the host's was read
    breakers.acquire(OTHER, RULES)
    assert state.reads == 4
    clock.advance(1_000)
    breakers.acquire(TARGET, RULES)  # the host's is a second old
    assert state.reads == 5


class _Interrupted(dict[BreakerKey, Any]):
    """What a container knows, with another thread that acts just after this one has looked up a target's breaker."""

    act: Callable[[], object] | None = None

    def get(self, key: BreakerKey, default: Any = None) -> Any:
        found, act = super().get(key, default), self.act
        if act is not None and key == TARGET:
            self.act = None
            act()
        return found


def test_a_way_on_which_another_thread_opens_a_breaker_meanwhile_is_not_clear(state: MemoryState, clock: Clock) -> None:
    known = _Interrupted()
    breakers = Breakers(state, clock, known)
    permits = [breakers.acquire(TARGET, RULES) for _ in range(5)]
    call(breakers, ANSWERED, target=OTHER)
    for permit in permits[:4]:
        tell(breakers, permit, ILL)
    breakers._clear_ways.clear()
    known.act = lambda: tell(breakers, permits[4], ILL)
    with pytest.raises(UpstreamUnavailable):
        breakers.acquire(TARGET, RULES)
    refused(breakers)


def test_opens_at_the_threshold_for_every_container(state: MemoryState, clock: Clock) -> None:
    one, other = Breakers(state, clock), Breakers(state, clock)
    fail(one, 3)
    fail(other, 1)
    assert state[TARGET].open is False
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
            tell(breakers, breakers.acquire(TARGET, RULES), ANSWERED)
    assert state[TARGET].open is False


def test_failures_of_an_old_window_count_no_more(state: MemoryState, clock: Clock) -> None:
    breakers = Breakers(state, clock)
    fail(breakers, 4)
    clock.advance(RULES.window_ms)
    fail(breakers, 4)
    assert state[TARGET].open is False


def test_half_open_lets_three_probes_through_for_all(state: MemoryState, clock: Clock) -> None:
    containers = [Breakers(state, clock) for _ in range(10)]
    fail(containers[0], 5)
    clock.advance(60_000)
    permits = []
    for breakers in containers:
        try:
            permits.append(breakers.acquire(TARGET, RULES))
        except UpstreamUnavailable:
            continue
    assert [set(permit.probes) for permit in permits] == [{TARGET}] * 3
    tell(containers[0], permits[0], ANSWERED)
    clock.advance(1_000)
    assert all(not breakers.acquire(TARGET, RULES).probes for breakers in containers)


def test_a_failed_probe_opens_for_twice_as_long(state: MemoryState, clock: Clock) -> None:
    breakers = Breakers(state, clock)
    fail(breakers, 5)
    clock.advance(60_000)
    tell(breakers, breakers.acquire(TARGET, RULES), ILL)
    assert refused(breakers).retry_after == 120.0


def test_probes_that_never_report_free_their_places(state: MemoryState, clock: Clock) -> None:
    breakers = Breakers(state, clock)
    fail(breakers, 5)
    clock.advance(60_000)
    for _ in range(3):
        breakers.acquire(TARGET, RULES)
    refused(breakers)
    clock.advance(PROBE_LEASE_MS)
    assert breakers.acquire(TARGET, RULES).probes


def test_a_probe_that_says_nothing_is_given_back_and_decides_nothing(state: MemoryState, clock: Clock) -> None:
    breakers = Breakers(state, clock)
    fail(breakers, 5)
    clock.advance(60_000)
    for number in range(10):  # calls that the provider refuses because of their own fault, or that only take long
        permit = breakers.acquire(TARGET, RULES)
        assert permit.probes
        tell(breakers, permit, SILENT if number % 2 else LATE, f"key{number}")
        assert (state[TARGET].open, state[TARGET].probes) == (True, 0)
    tell(breakers, breakers.acquire(TARGET, RULES), ANSWERED)
    assert state[TARGET].open is False


def test_long_calls_of_one_key_open_nothing(state: MemoryState, clock: Clock) -> None:
    clock.now -= clock.now % RULES.window_ms
    one, other = Breakers(state, clock), Breakers(state, clock)
    for _ in range(50):
        for breakers in (one, other):
            call(breakers, LATE, "key1")
    call(one, LATE, "key2")
    assert state[TARGET].open is False
    call(other, LATE, "key3")  # and nobody got an answer meanwhile
    assert state[TARGET].open is True


def test_calls_that_run_out_open_nothing_while_others_are_answered(state: MemoryState, clock: Clock) -> None:
    clock.now -= clock.now % RULES.window_ms
    one, other = Breakers(state, clock), Breakers(state, clock)
    call(one, LATE, "key1")
    clock.advance(1_000)
    other.acquire(TARGET, RULES)
    clock.advance(1_000)
    tell(other, other.acquire(TARGET, RULES), ANSWERED)
    for number in range(9):
        call(one, LATE, f"key{number}")
    assert state[TARGET].open is False


def test_successes_of_an_old_window_excuse_nothing(state: MemoryState, clock: Clock) -> None:
    breakers = Breakers(state, clock)
    for _ in range(1_000):
        tell(breakers, breakers.acquire(TARGET, RULES), ANSWERED)
    clock.advance(RULES.window_ms)
    fail(breakers, 5)
    assert state[TARGET].open is True


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
    """Two containers. A breaker opens only by failures or slow keys in its own window, and a sign that says nothing
    changes nothing."""
    state, clock = MemoryState(), Clock(1_800_000_000_000)
    containers = [Breakers(state, clock), Breakers(state, clock)]
    ill: list[int] = []
    slow: list[tuple[int, int]] = []
    for what, key, later, which in events:
        clock.advance(later)
        breakers, was = containers[which], state[TARGET].open
        try:
            permit = breakers.acquire(TARGET, RULES)
        except UpstreamUnavailable:
            continue
        now, before = RULES.window(int(clock())), state[TARGET]
        match what:
            case "well":
                tell(breakers, permit, ANSWERED)
            case "ill":
                ill.append(now)
                tell(breakers, permit, ILL)
            case "slow":
                slow.append((now, key))
                tell(breakers, permit, LATE, f"key{key}")
            case _:
                tell(breakers, permit, SILENT)
        after = state[TARGET]
        if after.open and not was:
            assert ill.count(now) >= RULES.failure_threshold or len({each for at, each in slow if at == now}) == 3
        if what == "nothing" and not permit.probes:
            assert state[TARGET] == before


@pytest.mark.parametrize("switch", [TARGET, HOST, HOST.whole])
def test_an_operator_opens_and_only_an_operator_closes(state: MemoryState, clock: Clock, switch: BreakerKey) -> None:
    state.items[switch] = Breaker(switch, open=True, forced=True, opened=1)
    breakers = Breakers(state, clock)
    clock.advance(10_000_000)
    assert refused(breakers).retry_after == 60.0


def test_a_store_that_is_down_stops_nothing(state: MemoryState, clock: Clock) -> None:
    state.down = True
    breakers = Breakers(state, clock)
    fail(breakers, 10)
    assert breakers.acquire(TARGET, RULES).probes == {}


Lines = Callable[[], list[dict[str, Any]]]


def changes(log_lines: Lines) -> dict[str, float]:
    observability.write(observability.emf("g", "f"))
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
    tell(containers[0], containers[0].acquire(TARGET, RULES), ANSWERED)
    assert changes(log_lines) == {"openai CircuitBreakerClosed": 1}


def test_one_read_a_second_for_all_that_stands_on_the_way(state: MemoryState, clock: Clock) -> None:
    breakers = Breakers(state, clock)
    for _ in range(10):
        breakers.check([TARGET, OTHER])
        call(breakers, ANSWERED)
        call(breakers, ANSWERED, target=OTHER)
    assert (state.reads, state.writes) == (1, 0)


def test_an_ill_model_suspends_no_other(state: MemoryState, clock: Clock) -> None:
    breakers = Breakers(state, clock)
    fail(breakers, 5)
    assert refused(breakers).message.startswith("The model openai/gpt-4 is failing")
    call(breakers, ANSWERED, target=OTHER)
    call(breakers, ANSWERED, target=replace(TARGET, region="eu"))
    assert {key.text for key in state.items} == {"openai/gpt-4@global"}


def test_a_host_that_can_not_be_reached_suspends_all_its_models_and_no_other_region_s(
    state: MemoryState, clock: Clock
) -> None:
    breakers = Breakers(state, clock)
    for number in range(5):
        call(breakers, UNREACHED, target=replace(TARGET, model=f"m{number}"))
    assert refused(breakers).message.startswith("The provider openai is failing")
    call(breakers, ANSWERED, target=replace(TARGET, region="eu"))
    clock.advance(60_000)
    probe = breakers.acquire(OTHER, RULES)  # of any model
    assert set(probe.probes) == {HOST}
    tell(breakers, probe, ILL)  # it answers, although with an error: the host is well, the model is not
    assert (state[HOST].open, state[OTHER].failures) == (False, 1)


def test_a_call_may_be_the_probe_of_host_and_model_both_and_takes_none_alone(state: MemoryState, clock: Clock) -> None:
    for key in (HOST, TARGET):
        state.items[key] = Breaker(key, open=True, opened=1, until=2, trips=1)
    breakers = Breakers(state, clock)
    permits = [breakers.acquire(TARGET, RULES) for _ in range(3)]
    assert [set(permit.probes) for permit in permits] == [{HOST, TARGET}] * 3
    refused(breakers)
    breakers.give_back(permits.pop())
    assert (state[HOST].probes, state[TARGET].probes) == (2, 2)
    state.items[TARGET] = replace(state[TARGET], probes=3)  # other containers have the last probe
    refused(breakers)
    assert state[HOST].probes == 2
    tell(breakers, permits.pop(), UNREACHED)
    assert (state[HOST].trips, state[TARGET].trips, state[TARGET].probes) == (2, 1, 2)


def test_a_refusal_says_who_suspended_calls(state: MemoryState, clock: Clock) -> None:
    """A model that an operator has suspended may be well. The message "is failing" would make people look for a fault
    that does not exist."""
    breakers = Breakers(state, clock)
    state.force_open(TARGET, clock())
    assert str(refused(breakers)) == "The model openai/gpt-4 was suspended by an operator."
    del state.items[TARGET]
    clock.advance(2_000)
    fail(breakers, 5)
    assert str(refused(breakers)) == "The model openai/gpt-4 is failing; calls to it are suspended."


def test_a_plan_is_refused_where_each_of_its_targets_is_suspended(state: MemoryState, clock: Clock) -> None:
    breakers = Breakers(state, clock)
    fail(breakers, 5)
    breakers.check([TARGET, OTHER])
    with pytest.raises(UpstreamUnavailable):
        breakers.check([TARGET, TARGET])


class Forgetful(dict[BreakerKey, Any]):
    """Keeps nothing."""

    def __setitem__(self, key: BreakerKey, value: Any) -> None:
        pass


steps = st.tuples(
    st.sampled_from([0, 1, 500, 999, 1_000, 5_000, 30_000, 60_000]),  # milliseconds before it
    st.sampled_from([TARGET, OTHER]),
    st.sampled_from(["checked", "given back", ANSWERED, ANSWERED, ILL, ILL, LATE, UNREACHED, SILENT]),
    st.sampled_from(["key1", "key2", "key3"]),
    st.sampled_from([0, 0, 0, 1, 5]),  # failures that another container reports after it
)


def outcomes(told: list[Any], *, keeps: bool) -> list[Any]:
    state, clock = MemoryState(), Clock(1_800_000_000_000)
    breakers = Breakers(state, clock, {}, {} if keeps else Forgetful())
    other = Breakers(state, clock)
    seen: list[Any] = []
    for after, target, signs, key, failures in told:
        clock.advance(after)
        try:
            if signs == "checked":
                breakers.check([target])
            elif signs == "given back":
                breakers.give_back(breakers.acquire(target, RULES))
            else:
                call(breakers, signs, key, target)
        except UpstreamUnavailable as error:
            seen.append((error.message, error.retry_after))
        for _ in range(failures):
            tell(other, Permit(target), ILL)
        seen.append((dict(state.items), state.reads, state.writes))
    return seen


@given(st.lists(steps, min_size=5, max_size=60))
def test_a_clear_way_that_is_kept_decides_as_its_three_breakers_do(told: list[Any]) -> None:
    assert outcomes(told, keeps=True) == outcomes(told, keeps=False)


def test_what_a_container_remembers_is_bounded(state: MemoryState, clock: Clock) -> None:
    breakers = Breakers(state, clock)
    for number in range(3_000):
        call(breakers, ANSWERED, target=replace(TARGET, model=f"m{number}"))
    assert len(breakers._known) <= 1_000
    fail(breakers, 5)
    refused(breakers)


@given(
    vendor=st.from_regex(r"[a-z][a-z0-9-]{0,20}", fullmatch=True),
    model=st.from_regex(r"([A-Za-z0-9][A-Za-z0-9._:/@-]{0,118})?", fullmatch=True),
    region=st.sampled_from(["global", "eu-central-1"]),
)
def test_a_key_is_read_from_its_own_text(vendor: str, model: str, region: str) -> None:
    key = BreakerKey.of_target(vendor, model, region)
    for each in (key, key.host, key.whole):
        assert BreakerKey.parse(each.text) == each


def test_fine_tuned_models_of_a_base_share_a_breaker() -> None:
    keys = {BreakerKey.of_target("openai", f"ft:gpt-4o:acme:x:{number}", "global").text for number in range(5)}
    assert keys == {"openai/ft:gpt-4o@global"}


EVENTS = st.lists(
    st.tuples(
        st.sampled_from([ANSWERED, ILL, UNREACHED, LATE, SILENT, Signs(Sign.WELL, Sign.NOTHING)]),
        st.sampled_from([TARGET, OTHER]),
        st.integers(0, 2),
        st.integers(0, 40_000),
        st.booleans(),
    ),
    max_size=80,
)


@given(events=EVENTS)
def test_over_any_time_each_breaker_goes_by_its_own_signs_alone(
    events: list[tuple[Signs, BreakerKey, int, int, bool]],
) -> None:
    """Two models of a host, two containers. A breaker opens when its own window has enough signs of illness, and closes
    when a probe goes well. A sign that says nothing changes nothing, and no probe is lost."""
    state, clock = MemoryState(), Clock(1_800_000_000_000)
    containers = [Breakers(state, clock), Breakers(state, clock)]
    told: list[tuple[BreakerKey, int, Sign, int]] = []
    for signs, target, who, later, which in events:
        clock.advance(later)
        before = dict(state.items)
        try:
            permit = containers[which].acquire(target, RULES)
        except UpstreamUnavailable:
            assert any(breaker.open for breaker in before.values())
            continue
        window = RULES.window(int(clock()))
        told += [(target.host, window, signs.host, who), (target, window, signs.target, who)]
        leased = {key: state[key].probes for key in permit.probes}
        tell(containers[which], permit, signs, f"key{who}")
        for key, sign in ((target.host, signs.host), (target, signs.target)):
            was, now = before.get(key, Breaker(key)), state[key]
            own = [(each, key_id) for at, when, each, key_id in told if (at, when) == (key, window)]
            if now.open and not was.open:
                late = {key_id for each, key_id in own if each is Sign.LATE}
                assert [each for each, _ in own].count(Sign.ILL) >= 5 or len(late) == 3
            if was.open and not now.open:
                assert (key in permit.probes, sign) == (True, Sign.WELL)
            if key in permit.probes and sign in (Sign.NOTHING, Sign.LATE):
                assert (now.open, now.probes) == (True, leased[key] - 1)
            if key in permit.probes and sign is Sign.ILL:
                assert (now.open, now.trips) == (True, was.trips + 1)
        others = {TARGET, OTHER} - {target}
        assert [state.items.get(key) for key in others] == [before.get(key) for key in others]


def test_an_operator_counts_what_changes(
    state: MemoryState, clock: Clock, gateway_environment: None, log_lines: Lines
) -> None:
    admin = BreakerAdmin(state, ("openai", "bedrock"), clock)
    by = Caller(key_id="k", tier="free", scopes=("admin",), version=1)
    for _ in range(2):
        admin.act({"action": "open", "providers": ["openai"]}, by)
    assert changes(log_lines) == {"openai CircuitBreakerOpened": 1}
    admin.act({"action": "reset"}, by)
    assert changes(log_lines) == {"openai CircuitBreakerClosed": 1}


BY = Caller(key_id="k", tier="free", scopes=("admin",), version=1)


def test_an_operator_sees_a_provider_as_one_and_each_breaker(state: MemoryState, clock: Clock) -> None:
    admin = BreakerAdmin(state, ("openai", "bedrock"), clock)
    fail(Breakers(state, clock), 5)
    shown = admin.states()["circuitBreakers"]
    assert shown["bedrock"] | {"breakers": {}} == {
        "state": "closed",
        "forced": False,
        "failures": 0,
        "successes": 0,
        "trips": 0,
        "retryAfter": None,
        "breakers": {},
    }
    assert (shown["openai"]["state"], shown["openai"]["retryAfter"]) == ("open", 60.0)
    assert list(shown["openai"]["breakers"]) == ["openai/gpt-4@global"]


def test_an_operator_switches_a_provider_with_all_it_has_or_a_single_breaker(state: MemoryState, clock: Clock) -> None:
    admin, breakers = BreakerAdmin(state, ("openai", "bedrock"), clock), Breakers(state, clock)
    admin.act({"action": "open", "breakers": ["openai/gpt-4@global"]}, BY)
    assert refused(breakers).retry_after == 60.0
    call(breakers, ANSWERED, target=OTHER)
    admin.act({"action": "open", "providers": ["openai"]}, BY)
    clock.advance(1_000)
    for target in (TARGET, OTHER, replace(TARGET, region="eu")):  # also one that nobody has seen
        with pytest.raises(UpstreamUnavailable):
            breakers.acquire(target, RULES)
    admin.act({"action": "reset", "breakers": ["openai/gpt-4@global"]}, BY)
    assert (state[TARGET].open, state[HOST.whole].open) == (False, True)
    shown = admin.act({"action": "reset", "providers": ["openai"]}, BY)["circuitBreakers"]["openai"]
    assert (shown["state"], shown["forced"]) == ("closed", False)
    clock.advance(1_000)
    for target in (TARGET, OTHER):
        call(breakers, ANSWERED, target=target)


@pytest.mark.parametrize("text", ["openai", "openai/gpt-4", "acme/m@global", "@global", "openai@", "x" * 300, ""])
def test_a_breaker_that_is_none_is_refused(state: MemoryState, clock: Clock, text: str) -> None:
    with pytest.raises(BadRequest) as error:
        BreakerAdmin(state, ("openai",), clock).act({"action": "open", "breakers": [text]}, BY)
    assert str(error.value.param).startswith("breakers")
    assert state.items == {}


@given(trips=st.integers(0, 200), timeout=st.integers(100, 3_600_000))
def test_openings_grow_and_stay_bounded(trips: int, timeout: int) -> None:
    rules = replace(RULES, timeout_ms=timeout)
    assert timeout <= rules.open_for(trips) <= rules.open_for(trips + 1) <= max(timeout, 600_000)


def test_a_vendor_s_own_breaker_that_no_operator_opened_stops_nothing(state: MemoryState, clock: Clock) -> None:
    """An older version opened these by itself."""
    state.items[HOST.whole] = Breaker(HOST.whole, open=True, opened=1, until=int(clock()) + 60_000)
    assert Breakers(state, clock).acquire(TARGET, RULES).probes == {}
