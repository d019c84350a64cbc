"""A call by any plan, whatever its targets do: an oracle in plain arithmetic says what is asked, held, and paid."""

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway import observability
from gateway.breakers.breaker import Breaker, BreakerRules
from gateway.breakers.breakers import Breakers
from gateway.calls.call import Call
from gateway.calls.estimate import Estimate
from gateway.calls.plan import Means, Place, Plan, Target
from gateway.calls.streaming import Streaming
from gateway.dialects.chat.schema import ChatRequest
from gateway.errors import BudgetExceeded, GatewayError, InternalError, UpstreamError
from gateway.ledger.holds import Hold, Outcome
from gateway.ledger.ledger import Ledger
from gateway.models.model_names import Route
from gateway.models.money import MICRO, Price
from gateway.models.usage import Usage
from gateway.models.vendors import packaged
from gateway.transport import Broken, NotSent, TimedOut
from gateway.vendors.base import Answer, Chunk, Event, ModelCall, Prepared, Provider
from gateway.vendors.failures import refused, unanswered, unusable
from tests.fakes.breakers import MemoryState

RULES = BreakerRules(failure_threshold=5, failure_ratio=0.5, window_ms=30_000, timeout_ms=60_000, half_open_calls=3)
ENDPOINT = packaged()["openai"].endpoints["chat"]
REQUEST = ChatRequest.model_validate({"model": "m", "messages": [{"role": "user", "content": "hi"}]})
# A token costs a micro-dollar; the model may produce tokens that nobody sees.
PRICE = Price(input=MICRO, output=MICRO, capabilities=("reasoning",))
ANSWER = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}}]}


def failure_of(kind: str, usage: Usage | None) -> UpstreamError:
    made = {
        "refused": refused("x", 503, {}),
        "rejected": refused("x", 400, {}),
        "throttled": refused("x", 429, {}),
        "not_sent": unanswered("x", NotSent("no connection")),
        "late": unanswered("x", TimedOut("our deadline", sent=True)),
        "lost": unanswered("x", Broken("reset")),
        "broken_off": unanswered("x", Broken("reset")),
        "unusable": unusable("x", "schema", usage=usage),
        "empty": unusable("x", "schema"),
    }
    return made[kind]


@dataclass
class Host:
    """A provider that behaves as the test says."""

    kind: str
    tokens: int
    name: str = "x"
    region: str = "global"
    asked: int = 0

    def prepare(self, call: ModelCall) -> Prepared:
        return Prepared(call, ENDPOINT, b"")

    def counter(self, prepared: Prepared) -> None:
        return None

    def send(self, prepared: Prepared) -> Iterator[Event]:
        self.asked += 1
        usage = Usage(input_tokens=self.tokens)
        if self.kind in ("broken_off", "defect"):
            yield Chunk({})
        if self.kind == "wordless":  # it sends many events, but nothing of the answer
            role = {"delta": {"role": "assistant", "content": ""}, "index": 0, "finish_reason": None}
            yield from [Chunk({"id": "c" * 1_000, "choices": [role]}, content=False)] * self.tokens
            raise failure_of("refused", usage)
        if self.kind == "defect":
            raise KeyError("an adapter's own fault")
        if self.kind != "answered":
            raise failure_of(self.kind, usage)
        yield Answer(ANSWER, usage)


@dataclass
class Books:
    """A ledger of one call, with this much room in addition to its hold."""

    room: int
    topped: list[int] = field(default_factory=list)
    settled: list[Outcome] = field(default_factory=list)

    def top_up(self, hold: Hold, more: int) -> Hold:
        assert more > 0
        if more > self.room:
            raise BudgetExceeded("no room")
        self.room -= more
        self.topped.append(more)
        return held(hold.row.est + more, hold.typical)

    def settle(self, hold: Hold, outcome: Outcome) -> None:
        assert outcome.cost <= hold.row.est or hold.typical
        self.settled.append(outcome)


KINDS = ["answered", "refused", "rejected", "throttled", "not_sent", "late", "lost", "broken_off", "unusable", "empty"]
PLANS = st.lists(
    st.tuples(st.sampled_from([*KINDS, "suspended"]), st.integers(0, 1_000), st.integers(0, 1_000)),
    min_size=1,
    max_size=5,  # the sixth would find the host's breaker open, after five targets that can't be reached
)


@dataclass
class Right:
    """The outcome that a plan must have."""

    asked: list[int] = field(default_factory=list)
    cost: int = 0
    est: int = 0
    tokens: int = 0
    delivered: bool = False


def oracle(plan: list[tuple[str, int, int]], room: int, typical: bool) -> Right:
    right = Right(est=max(est for _, est, _ in plan))
    for number, (kind, est, tokens) in enumerate(plan):
        if kind == "suspended":
            continue
        missing = right.cost + est - right.est
        if missing > 0:
            if missing > room:
                return right
            room, right.est = room - missing, right.est + missing
        right.asked.append(number)
        bill = min(tokens, est)
        if kind in ("answered", "unusable"):
            right.cost, right.tokens = right.cost + bill, right.tokens + bill
        if kind in ("late", "lost", "broken_off"):
            right.cost, right.tokens = right.cost + est * (3 if typical else 1), right.tokens + (est if est else 0)
        if kind in ("answered", "rejected", "broken_off"):
            right.delivered = kind == "answered"
            return right
    return right


def held(est: int, typical: bool) -> Hold:
    return cast(Hold, SimpleNamespace(row=SimpleNamespace(est=est, key="key1"), typical=typical))


def made(plan: list[tuple[str, int, int]], typical: bool = False, price: Price = PRICE) -> tuple[Plan, MemoryState]:
    """A plan whose targets hold their second number: the typical amount, or the upper bound."""
    state, targets = MemoryState(), []
    for number, (kind, est, tokens) in enumerate(plan):
        host = Host(kind, min(tokens, est))
        call = ModelCall(model=f"m{number}", body={}, max_output_tokens=1, timeout=0)
        route = Route("m", f"x/m{number}", price)
        money = (3 * est, est) if typical else (est, est // 2)
        estimate = Estimate(money[0], est, 1, money[1], 1, (price,), (price.input,))
        target = Target(Place.of(route, cast(Provider, host)), Prepared(call, ENDPOINT, b""), estimate)
        targets.append(target)
        if kind == "suspended":
            state.force_open(target.breaker, 0)
    return Plan(REQUEST, tuple(targets)), state


def call_of(plan: Plan, state: MemoryState, books: Books, ends: float = 20.0, typical: bool = False) -> Call:
    hold = held(plan.typical if typical else plan.est, typical)
    breakers = Breakers(state, lambda: 1_800_000_000_000)
    return Call("req_1", plan, hold, ends, Means(cast(Ledger, books), breakers, RULES, lambda: 0.0, 20.0))


@given(plan=PLANS, room=st.integers(0, 4_000), typical=st.booleans())
def test_whatever_a_plan_s_targets_do(plan: list[tuple[str, int, int]], room: int, typical: bool) -> None:
    right, (targets, state), books = oracle(plan, room, typical), made(plan, typical), Books(room)
    call = call_of(targets, state, books, typical=typical)
    failure: GatewayError | None = None
    try:
        call.gather()
    except GatewayError as error:
        failure = error
    asked = [number for number, each in enumerate(targets.targets) if cast(Host, each.provider).asked]
    assert asked == right.asked
    assert (call.hold.row.est, call.cost.total) == (right.est, right.cost)
    (outcome,) = books.settled
    assert (outcome.cost, outcome.tokens(targets.tokens)) == (right.cost, right.tokens)
    assert (failure is None) is right.delivered
    headers = call.headers()
    assert (headers["x-gateway-attempts"], call.fallbacks) == (str(len(asked)), asked[-1] if asked else 0)
    if failure is not None:
        assert (failure.charged, failure.headers["x-gateway-attempts"]) == (right.cost, str(len(asked)))
        last = failure_of(plan[asked[-1]][0], None).code if asked else "upstream_unavailable"
        assert (failure.code, outcome.status) == (last, last)
    listed = outcome.facts.get("attempts", [])
    assert sum(each["cost"] for each in listed) == (right.cost if listed else 0)
    assert bool(listed) is (len(asked) > 1 or (bool(asked) and not right.delivered))


@pytest.mark.parametrize("kind", ["answered", "broken_off"])
def test_a_reader_who_leaves_ends_the_call_and_gives_the_probe_back(kind: str) -> None:
    plan, state = made([(kind, 100, 10), ("answered", 100, 10)])
    key, books = plan.first.breaker, Books(0)
    state.force_open(key, 1)
    state.items[key] = replace(state[key], forced=False, until=2)
    call = call_of(plan, state, books)
    events = cast(Any, call.events())
    next(events)
    assert state[key].probes == 1
    events.close()
    (outcome,) = books.settled
    if kind == "answered":
        assert (outcome.cost, outcome.status, state[key].open) == (10, "ok", False)
    else:  # nobody knows how it ended, and it said nothing about the provider
        assert (outcome.cost, outcome.status) == (100, "aborted")
        assert (state[key].open, state[key].probes) == (True, 0)


def test_what_was_seen_of_an_answer_that_broke_off_is_billed() -> None:
    plan, state = made([("broken_off", 100, 10)], price=replace(PRICE, capabilities=("tools",)))
    books = Books(0)
    with pytest.raises(UpstreamError):
        call_of(plan, state, books).gather()
    (outcome,) = books.settled
    # A prompt of one token, and the part of the answer that may have been under way, but no more than the cap allows.
    assert (outcome.cost, outcome.usage) == (2, Usage(input_tokens=1, output_tokens=1, source="counted"))
    assert [each["verdict"] for each in outcome.facts["attempts"]] == ["cut"]


@pytest.mark.parametrize(("said", "asked"), [(10, [1, 1]), (100, [1, 0])])
def test_behind_what_has_gone_out_no_other_answer_begins(said: int, asked: list[int]) -> None:
    plan, state = made([("wordless", 100, said), ("answered", 100, 10)])
    books = Books(100)
    sent = b"".join(Streaming(call_of(plan, state, books)).begun())
    assert [cast(Host, each.provider).asked for each in plan.targets] == asked
    assert ((sent.count(b'"role"'), b"upstream_error" in sent)) == ((0, False) if asked[1] else (said, True))
    assert len(books.settled) == 1


def test_without_time_for_an_attempt_there_is_none() -> None:
    plan, state = made([("answered", 100, 10)])
    books = Books(0)
    with pytest.raises(UpstreamError) as late:
        call_of(plan, state, books, ends=1.5).gather()
    assert (late.value.code, late.value.sent) == ("upstream_timeout", False)
    assert (books.settled[0].cost, books.settled[0].status, state.writes) == (0, "upstream_timeout", 0)


def test_an_attempt_that_has_no_room_gives_its_probe_back() -> None:
    plan, state = made([("lost", 100, 10), ("answered", 100, 10)])
    key = plan.targets[1].breaker
    state.items[key] = Breaker(key, open=True, opened=1, until=2)
    with pytest.raises(UpstreamError):
        call_of(plan, state, Books(99)).gather()
    assert (state[key].open, state[key].probes) == (True, 0)
    call_of(plan, state, Books(100)).gather()
    assert state[key].open is False


def test_a_name_that_a_client_may_make_up_is_no_metric_of_its_own(
    log_lines: Callable[[], list[dict[str, Any]]],
) -> None:
    plan, state = made([("answered", 100, 10)])
    observability.write(observability.emf("gateway", "completions"))
    log_lines()
    for name in ("ft:gpt-4o:acme:one:1", "ft:gpt-4o:acme:two:2"):
        target = dataclasses.replace(plan.first, place=Place.of(Route("m", f"x/{name}", PRICE), plan.first.provider))
        call_of(dataclasses.replace(plan, targets=(target,)), state, Books(0)).gather()
    observability.write(observability.emf("gateway", "completions"))
    assert {line["Model"] for line in log_lines() if "Cost" in line} == {"ft:gpt-4o"}


def test_a_defect_behind_the_first_content_is_no_call_that_was_never_sent() -> None:
    plan, state = made([("defect", 100, 10), ("answered", 100, 10)])
    books = Books(0)
    with pytest.raises(InternalError) as paid:
        call_of(plan, state, books).gather()
    (outcome,) = books.settled
    assert (outcome.cost, outcome.status) == (100, "aborted")
    # An answer that cost money is kept under its Idempotency-Key, so that a repeat is not paid for again.
    assert (paid.value.charged, paid.value.headers["x-gateway-cost"]) == (100, "0.000100")
    assert isinstance(paid.value.__cause__, KeyError)
