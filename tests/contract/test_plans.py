"""Calls with several targets: real adapters of both vendors on the fake upstream, a real ledger and real breakers.

No route makes such a plan yet, so two plans with one target each are put together here.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec import structs

from gateway import wiring
from gateway.billing.counters import counted
from gateway.billing.rebuild import Rebuild
from gateway.billing.reports import Reports
from gateway.billing.store import UsageStore
from gateway.breakers.breaker import BreakerKey
from gateway.calls.call import Call
from gateway.calls.completions import Completions
from gateway.calls.plan import Plan
from gateway.dynamodb.attributes import size_of
from gateway.dynamodb.client import Database
from gateway.errors import GatewayError, StoreUnavailable, UpstreamError, UpstreamTimeout, UpstreamUnavailable
from gateway.identity.account_ids import model_item
from gateway.identity.caller import Caller
from gateway.ledger.limits_store import LimitsStore
from gateway.ledger.rows_store import RowStore
from gateway.vendors.base import Chunk, Event, Prepared
from tests.contract.conftest import CountingDatabase, LossyDatabase, MeteredDatabase
from tests.contract.front import Gateway
from tests.contract.test_consumer import counting
from tests.contract.world import at_once
from tests.fakes.database import Clock
from tests.upstream import Steer
from tests.upstream.server import Seen

FIRST, SECOND = "openai/gpt-6.1-sol", "bedrock/us.amazon.nova-pro-v1:0"
BODY = {"max_tokens": 100, "messages": [{"role": "user", "content": "hello"}]}
LOST = Steer(reset="after", wire="no HTTP at all\r\n\r\n")  # it was sent, and nobody knows the outcome


@dataclass
class Planned:
    """A key, and calls of it that may go to several targets."""

    gateway: Gateway
    limits: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.text, self.key = self.gateway.new_key(**self.limits)

    @property
    def caller(self) -> Caller:
        found = wiring.identity().verify(self.text)
        assert found is not None
        return found

    def plan(self, *models: str, service: Completions | None = None, **body: Any) -> Plan:
        """One plan for the targets with these names, in this order."""
        service, caller = service or wiring.gateway().completions, self.caller
        plans = [
            service.plan(caller, BODY | body | {"model": name}, correlation_id="c", seconds_left=20) for name in models
        ]
        return replace(plans[0], targets=tuple(target for plan in plans for target in plan.targets))

    def call(self, plan: Plan, service: Completions | None = None, seconds: float = 20) -> Call:
        service = service or wiring.gateway().completions
        return service.admit(self.caller, plan, correlation_id="c", ends=service.now() + seconds)

    def rows(self) -> list[dict[str, Any]]:
        return [row for row in self.gateway.rows() if row["key"] == self.key]

    @property
    def row(self) -> dict[str, Any]:
        (row,) = self.rows()
        return row

    def item(self) -> dict[str, Any]:
        return wiring.gateway().limits_store.get(self.key)

    def settled(self) -> None:
        """The sums of the key are those of its rows, and nothing is held."""
        item, spent = self.item(), sum(row["actual"] for row in self.rows())
        assert all(row["state"] == "SETTLED" for row in self.rows())
        sums = {name: amount for name, amount in item.items() if name.startswith(("used_", "spent_", "s_"))}
        assert set(sums.values()) == {spent}, sums
        assert {amount for name, amount in item.items() if name.startswith(("o_", "n_"))} == {0}
        assert item["inflight"] == 0


@pytest.fixture
def planned(gateway: Gateway) -> Planned:
    return Planned(gateway)


def answers(gateway: Gateway, **steers: Steer) -> None:
    """The answers of each vendor's host to any request: `openai`, `bedrock`."""

    def decide(seen: Seen) -> Steer | None:
        return steers.get("bedrock" if seen.path.startswith("/model/") else "openai")

    gateway.fake.decide = decide


def over(gateway: Gateway, database: Database) -> Completions:
    """The service with a ledger that uses this database."""
    limits = LimitsStore(database, gateway.tables["limits"], gateway.tables["api-keys"])
    rows = RowStore(database, gateway.tables["request-analytics"])
    return replace(
        wiring.gateway().completions, ledger=structs.replace(wiring.gateway().ledger, limits=limits, rows=rows)
    )


def unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    Gateway.restart()


def breakers() -> dict[str, Any]:
    return {breaker.key.text: breaker for breaker in wiring.gateway().breaker_store.all()}


def test_the_first_that_answers_is_the_only_one_that_is_asked(gateway: Gateway, planned: Planned) -> None:
    call = planned.call(planned.plan(FIRST, SECOND))
    assert call.gather()["choices"]
    assert (len(gateway.fake.seen), call.headers()["x-gateway-attempts"], call.fallbacks) == (1, "1", 0)
    row = planned.row
    assert (row["target"], row["region"], row["dialect"], row["client"]) == (FIRST, "global", "chat", "other")
    assert "attempts" not in row
    planned.settled()


def test_one_that_was_never_sent_costs_nothing_and_tops_nothing_up(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    unreachable(monkeypatch)
    planned = Planned(gateway)
    plan = planned.plan(FIRST, SECOND)
    call = planned.call(plan)
    call.gather()
    row, bill = planned.row, call.attempts[1].cost.total
    assert (row["est"], row["actual"]) == (plan.est, bill)
    assert row["est"] == max(target.est.cost for target in plan.targets)
    assert (row["provider"], row["target"], row["model"], row["region"]) == ("bedrock", SECOND, SECOND, "us-east-1")
    assert [(each["vendor"], each["verdict"], each["cost"]) for each in row["attempts"]] == [
        ("openai", "not_sent", 0),
        ("bedrock", "answered", bill),
    ]
    assert call.headers() | {"x-gateway-attempts": "2", "x-gateway-fallbacks": "1"} == call.headers()
    assert list(breakers()) == ["openai@global"]  # the host could not be reached; that is not its model's fault
    planned.settled()


@pytest.mark.parametrize("status", [401, 404, 408, 409, 429, 500, 503, 529])
def test_an_error_status_costs_nothing_and_the_next_is_asked(gateway: Gateway, planned: Planned, status: int) -> None:
    answers(gateway, openai=Steer(status=status))
    plan = planned.plan(FIRST, SECOND)
    call = planned.call(plan)
    call.gather()
    row = planned.row
    assert (row["est"], row["actual"], row["attempts"][0]["cost"]) == (plan.est, call.attempts[1].cost.total, 0)
    planned.settled()


@pytest.mark.parametrize(
    "steer",
    [Steer(status=400), Steer(status=400, code="context_length_exceeded"), Steer(status=413), Steer(status=422)],
)
def test_what_is_the_caller_s_own_fault_is_asked_once(gateway: Gateway, planned: Planned, steer: Steer) -> None:
    answers(gateway, openai=steer)
    with pytest.raises(UpstreamError) as error:
        planned.call(planned.plan(FIRST, SECOND)).gather()
    assert (error.value.status, error.value.headers["x-gateway-attempts"]) == (400, "1")
    assert len(gateway.fake.seen) == 1
    assert planned.row["actual"] == 0
    planned.settled()


def test_one_that_may_be_billed_is_owed_beside_the_next(gateway: Gateway, planned: Planned) -> None:
    answers(gateway, openai=LOST)
    plan = planned.plan(FIRST, SECOND)
    call = planned.call(plan)
    call.gather()
    first, second = (target.est.cost for target in plan.targets)
    row, bill = planned.row, call.attempts[1].cost.total
    assert row["est"] == first + second > plan.est
    assert (row["actual"], row["prompt_cost"] + row["completion_cost"]) == (first + bill, first + bill)
    assert [(each["verdict"], each["cost"]) for each in row["attempts"]] == [("unknown", first), ("answered", bill)]
    assert call.headers()["x-gateway-cost"] == f"{(first + bill) / 1e6:.6f}"
    planned.settled()


def test_the_tokens_of_an_attempt_that_nobody_counted_stay_counted(gateway: Gateway) -> None:
    planned = Planned(gateway, {"tpd_limit": 1_000_000})
    answers(gateway, openai=LOST)
    plan = planned.plan(FIRST, SECOND)
    call = planned.call(plan)
    call.gather()
    used = call.attempts[1].usage
    assert used is not None
    (counted_today,) = [value for name, value in planned.item().items() if name.startswith("t_")]
    assert counted_today == plan.targets[0].est.tokens + used.total_tokens


def test_an_answer_that_is_none_is_owed_its_bill_alone(gateway: Gateway, planned: Planned) -> None:
    none = {"output": None, "stopReason": "end_turn", "usage": {"inputTokens": 90, "outputTokens": 40}}
    answers(gateway, bedrock=Steer(exact=json.dumps(none)))
    plan = planned.plan(SECOND, SECOND, FIRST)
    call = planned.call(plan)
    call.gather()
    one, other, last = (attempt.cost.total for attempt in call.attempts)
    assert one == other > 0
    row = planned.row
    assert (row["est"], row["actual"]) == (one + other + plan.targets[2].est.cost, one + other + last)
    assert [each["verdict"] for each in row["attempts"]] == ["unusable", "unusable", "answered"]
    assert row["output_tokens"] == sum(each["output"] for each in row["attempts"])
    planned.settled()


def test_without_room_there_is_no_further_attempt(gateway: Gateway, planned: Planned) -> None:
    answers(gateway, openai=LOST)
    tight = Planned(gateway, {"max_budget": planned.plan(FIRST, SECOND).est / 1e6})
    with pytest.raises(UpstreamError) as error:
        tight.call(tight.plan(FIRST, SECOND)).gather()
    row = tight.row
    assert (error.value.code, error.value.charged, len(gateway.fake.seen)) == (row["status"], row["actual"], 1)
    assert row["est"] == row["actual"] == round(tight.limits["max_budget"] * 1e6)
    assert [(each["vendor"], each["verdict"]) for each in row["attempts"]] == [("openai", "unknown")]
    assert error.value.headers["x-gateway-fallbacks"] == "0"
    tight.settled()


def test_every_account_of_a_plan_has_room_for_both_and_pays_for_both(gateway: Gateway, planned: Planned) -> None:
    """A key's limit on the second target's model applies to the whole plan, whichever of its targets is called."""
    answers(gateway, openai=LOST)
    wide = Planned(gateway, {"max_budget": 5, "model_limits": {SECOND: {"max_budget": 5}}})
    wide.call(wide.plan(FIRST, SECOND)).gather()
    item = wiring.gateway().limits_store.get(model_item(wide.key, SECOND))
    assert {amount for name, amount in item.items() if name.startswith(("used_", "spent_"))} == {wide.row["actual"]}
    wide.settled()
    most = planned.plan(FIRST, SECOND).est / 1e6
    tight = Planned(gateway, {"max_budget": 5, "model_limits": {SECOND: {"max_budget": most}}})
    with pytest.raises(UpstreamError):
        tight.call(tight.plan(FIRST, SECOND)).gather()
    item = wiring.gateway().limits_store.get(model_item(tight.key, SECOND))
    assert {amount for name, amount in item.items() if name.startswith("used_")} == {tight.row["actual"]}
    assert len(tight.row["attempts"]) == 1
    tight.settled()


def test_where_the_store_does_not_answer_there_is_no_further_attempt(gateway: Gateway, planned: Planned) -> None:
    answers(gateway, openai=LOST)
    updates: list[int] = []

    def lose(operation: str, number: int) -> bool:
        updates.extend([number] if operation == "UpdateItem" and gateway.fake.seen else [])
        # the reply of the top-up: it is applied, but nobody learns that
        return len(updates) == 1 and updates[0] == number

    database = LossyDatabase(gateway.tables.database, lose)
    service = over(gateway, database)
    plan = planned.plan(FIRST, SECOND)
    with pytest.raises(UpstreamError):
        planned.call(plan, service).gather()
    assert len(gateway.fake.seen) == 1
    row, item = planned.row, planned.item()
    assert (row["est"], row["actual"]) == (plan.est, plan.targets[0].est.cost)
    held = {amount for name, amount in item.items() if name.startswith("o_")}
    assert held == {plan.targets[1].est.cost + plan.targets[0].est.cost - plan.est}  # the reconcile gives it back


def test_where_no_time_is_left_there_is_no_further_attempt(gateway: Gateway, planned: Planned) -> None:
    clock = Clock(datetime.now(UTC).timestamp())

    def decide(_seen: Seen) -> Steer:
        clock.advance(18.5)
        return Steer(status=500)

    gateway.fake.decide = decide
    service = replace(wiring.gateway().completions, now=clock)
    with pytest.raises(UpstreamError) as error:
        planned.call(planned.plan(FIRST, SECOND), service).gather()
    assert (error.value.upstream_status, len(gateway.fake.seen)) == (500, 1)
    with pytest.raises(UpstreamTimeout) as late:
        planned.call(planned.plan(FIRST, SECOND), service, seconds=1.5).gather()
    assert (late.value.sent, late.value.headers["x-gateway-attempts"], len(gateway.fake.seen)) == (False, "0", 1)
    planned.settled()


def test_one_whose_breaker_is_open_is_passed_over_without_an_attempt(gateway: Gateway, planned: Planned) -> None:
    store = wiring.gateway().breaker_store
    store.force_open(BreakerKey.parse("openai/gpt-6.1-sol@global"), 1)
    call = planned.call(planned.plan(FIRST, SECOND))
    call.gather()
    row = planned.row
    assert (row["target"], "attempts" in row) == (SECOND, False)
    assert (call.headers()["x-gateway-attempts"], call.headers()["x-gateway-fallbacks"]) == ("1", "1")
    store.force_open(BreakerKey("bedrock"), 1)
    plan = planned.plan(FIRST, SECOND)
    del wiring.gateway().completions  # as if a second had passed
    with pytest.raises(UpstreamUnavailable):
        planned.call(plan)
    assert len(planned.rows()) == 1
    planned.settled()


@dataclass
class Talking:
    """A provider whose answer breaks off after its first part."""

    provider: Any

    @property
    def name(self) -> str:
        return str(self.provider.name)

    @property
    def region(self) -> str:
        return str(self.provider.region)

    def prepare(self, call: Any) -> Prepared:
        prepared: Prepared = self.provider.prepare(call)
        return prepared

    def counter(self, prepared: Prepared) -> None:
        return None

    def send(self, prepared: Prepared) -> Iterator[Event]:
        yield Chunk({"choices": [{"delta": {"content": "hel"}}]})
        raise UpstreamError("The connection broke.", provider=self.name, reason="broken")


def test_after_the_first_content_there_is_never_another_attempt(gateway: Gateway, planned: Planned) -> None:
    plan = planned.plan(FIRST, SECOND)
    place = structs.replace(plan.first.place, provider=Talking(plan.first.provider))
    first = replace(plan.first, place=place)
    call = planned.call(replace(plan, targets=(first, plan.targets[1])))
    events = call.events()
    assert isinstance(next(events), Chunk)
    with pytest.raises(UpstreamError):
        next(events)
    row = planned.row
    assert (len(gateway.fake.seen), row["actual"], row["attempts"][0]["verdict"]) == (0, first.est.cost, "unknown")
    assert row["first_byte_ms"] >= 0
    planned.settled()


@dataclass
class Failing(Talking):
    """A provider that fails before anything is sent, without an answer of its host."""

    fault: Exception = field(default_factory=Exception)

    def send(self, prepared: Prepared) -> Iterator[Event]:
        raise self.fault
        yield


@pytest.mark.parametrize(("fault", "next_one"), [(StoreUnavailable("no secret"), True), (KeyError("a defect"), False)])
def test_a_credential_that_can_not_be_read_is_no_reason_to_give_up_and_a_defect_is(
    gateway: Gateway, planned: Planned, fault: Exception, next_one: bool
) -> None:
    plan = planned.plan(FIRST, SECOND)
    place = structs.replace(plan.first.place, provider=Failing(plan.first.provider, fault))
    first = replace(plan.first, place=place)
    call = planned.call(replace(plan, targets=(first, plan.targets[1])))
    if next_one:
        call.gather()
    else:
        with pytest.raises(KeyError):
            call.gather()
    assert [attempt.verdict for attempt in call.attempts] == ["not_sent", "answered"][: 1 + next_one]
    assert breakers() == {}
    planned.settled()


@pytest.mark.parametrize("streamed", [True, False])
def test_a_stream_that_does_not_begin_is_ill_and_a_whole_answer_that_is_late_is_not(
    gateway: Gateway, planned: Planned, streamed: bool
) -> None:
    answers(gateway, openai=Steer(delay=30))
    gateway.post("/api/v1/admin/config", {"timeouts": {"firstByteMs": 1_000}})
    gateway.restart()
    plan = planned.plan(FIRST)
    plan = replace(plan, targets=(replace(plan.first, streamed=streamed),))
    with pytest.raises(UpstreamTimeout):
        planned.call(plan, seconds=2.5).gather()
    (breaker,) = breakers().values()
    assert (breaker.key.text, breaker.failures) == ("openai/gpt-6.1-sol@global", int(streamed))
    assert breaker.slow == (frozenset() if streamed else {planned.key})
    assert planned.row["actual"] == plan.est


def usage_of(gateway: Gateway, planned: Planned, group: str) -> dict[str, tuple[int, int]]:
    """By a dimension: requests and micro-dollars, as the bill reports them after these rows are counted."""
    assert counting(gateway.tables).count([counted(row) for row in planned.rows()]) == []
    reports = Reports(UsageStore(gateway.tables.database, gateway.tables["usage"]))
    lines = reports.usage({"group_by": group, "key": planned.key})["data"]
    return {line[group]: (line["requests"], line["cost_micro_usd"]) for line in lines}


def test_the_bill_counts_each_attempt_under_its_own_vendor_and_model(gateway: Gateway, planned: Planned) -> None:
    answers(gateway, openai=LOST)
    calls = [planned.call(planned.plan(FIRST, SECOND)) for _ in range(3)]
    for call in calls:
        call.gather()
    first = sum(call.attempts[0].cost.total for call in calls)
    second = sum(call.attempts[1].cost.total for call in calls)
    assert usage_of(gateway, planned, "provider") == {"openai": (0, first), "bedrock": (3, second)}
    assert usage_of(gateway, planned, "model") == {FIRST: (0, first), SECOND: (3, second)}
    assert usage_of(gateway, planned, "total") == {"total": (3, first + second)}
    rows = RowStore(gateway.tables.database, gateway.tables["request-analytics"])
    usage = UsageStore(gateway.tables.database, gateway.tables["usage"])
    today = datetime.now(UTC).date()
    rebuild = Rebuild(rows, usage, counting(gateway.tables), lambda: datetime.now(UTC).timestamp())
    result = rebuild.run(today, today, apply=False)
    assert (result.rows, result.differences, result.unfit) == (3, [], {})


@pytest.mark.parametrize("failure", [LOST, Steer(status=500)], ids=["lost", "refused"])
def test_at_once_a_budget_is_exact_whatever_fails(gateway: Gateway, planned: Planned, failure: Steer) -> None:
    """Four callers at once on a budget for some of their calls: never more is held and spent, and the end is exact."""
    assert gateway.post("/api/v1/admin/config", {"circuitBreaker": {"failureThreshold": 10_000}}).status == 200
    gateway.restart()
    answers(gateway, openai=failure)
    est = planned.plan(FIRST, SECOND).est
    budget = est * 7 + 345
    tight = Planned(gateway, {"max_budget": budget / 1e6})
    caller, service = tight.caller, wiring.gateway().completions
    passed: list[Call] = []
    over_it: list[int] = []

    def work() -> None:
        for _ in range(8):
            with suppress(GatewayError):
                call = service.admit(caller, tight.plan(FIRST, SECOND), correlation_id="c", ends=service.now() + 20)
                call.gather()
                passed.append(call)
            used = (amount for name, amount in tight.item().items() if name.startswith("used_"))
            over_it.extend(amount for amount in used if amount > budget)

    at_once(4, work)
    rows = tight.rows()
    assert over_it == []
    assert (len(passed) == 32) is (failure is not LOST)
    assert sum(row["actual"] for row in rows) <= budget
    assert all(row["actual"] <= row["est"] for row in rows)
    assert any(row["est"] > est for row in rows) is (failure is LOST)
    tight.settled()


def test_a_row_of_one_attempt_without_tags_stays_one_write_unit(gateway: Gateway) -> None:
    planned = Planned(gateway, {"max_budget": 1_000})
    planned.call(planned.plan(SECOND)).gather()  # the first call of a key makes its item
    metered = MeteredDatabase(gateway.tables.database)
    service = over(gateway, metered)
    plan = planned.plan(SECOND, stream=True)
    ends = service.now() + 20
    service.admit(planned.caller, plan, correlation_id="c" * 64, ends=ends, user_agent="Anthropic/Python 1").gather()
    assert metered.units == 4.0
    row = planned.rows()[-1]
    assert {
        "dialect": "chat",
        "streamed": True,
        "client": "anthropic-sdk",
        "region": "us-east-1",
    }.items() <= row.items()
    assert size_of(row) < 1_024


def test_a_failed_attempt_alone_is_named_with_its_verdict(gateway: Gateway, planned: Planned) -> None:
    answers(gateway, bedrock=LOST)
    with pytest.raises(UpstreamError):
        planned.call(planned.plan(SECOND)).gather()
    (attempt,) = planned.row["attempts"]
    assert attempt == {
        "vendor": "bedrock",
        "model": SECOND,
        "region": "us-east-1",
        "verdict": "unknown",
        "cost": planned.row["est"],
    }
    assert size_of(planned.row) < 1_024


def test_no_top_up_costs_no_write(gateway: Gateway, planned: Planned) -> None:
    planned.call(planned.plan(SECOND)).gather()
    answers(gateway, openai=Steer(status=503))
    database = CountingDatabase(gateway.tables.database)
    planned.call(planned.plan(FIRST, SECOND), over(gateway, database)).gather()
    assert database.calls == ["UpdateItem", "PutItem", "UpdateItem", "UpdateItem"]


def test_through_the_routes_attempts_and_fallbacks_are_true_and_the_client_is_a_class(gateway: Gateway) -> None:
    path, body = "/v1/chat/completions", BODY | {"model": "gpt-4"}
    answered = gateway.post(path, body | {"stream": True}, user_agent="OpenAI/Python 2.8.0")
    failed = gateway.post(path, body | {"messages": [{"role": "user", "content": "[[fake status=500]]"}]})
    assert (answered.status, failed.status) == (200, 502)
    for reply in (answered, failed):
        assert (reply.headers["x-gateway-attempts"], reply.headers["x-gateway-fallbacks"]) == ("1", "0")
    assert gateway.post("/api/v1/admin/circuit-breakers", {"action": "open", "providers": ["openai"]}).status == 200
    del wiring.gateway().completions  # as if a second had passed
    suspended = gateway.post(path, body)
    assert (suspended.status, "x-gateway-request-id" in suspended.headers) == (503, False)  # it was not a call
    first, second = gateway.rows()
    assert (first["client"], first["streamed"], first["region"]) == ("openai-python", True, "global")
    assert (second["client"], "streamed" in second, second["attempts"][0]["verdict"]) == ("other", False, "refused")


def test_operators_see_and_switch_single_breakers_and_health_shows_the_provider(gateway: Gateway) -> None:
    body = BODY | {"model": FIRST, "messages": [{"role": "user", "content": "[[fake status=500]]"}]}
    for _ in range(6):
        gateway.post("/v1/chat/completions", body)
    path = "/api/v1/admin/circuit-breakers"
    shown = gateway.ask("GET", path).body["circuitBreakers"]["openai"]
    assert (shown["state"], shown["breakers"]["openai/gpt-6.1-sol@global"]["failures"]) == ("open", 5)
    assert gateway.ask("GET", "/api/v1/health", key="").body["services"]["openai"] == "degraded"
    other = gateway.post("/v1/chat/completions", BODY | {"model": "openai/gpt-6-luna"})
    assert other.status == 200
    reset = gateway.post(path, {"action": "reset", "breakers": ["openai/gpt-6.1-sol@global"]})
    assert reset.body["circuitBreakers"]["openai"]["state"] == "closed"
    wrong = gateway.post(path, {"action": "open", "breakers": ["openai/gpt-6.1-sol"]})
    assert (wrong.status, wrong.error["param"]) == (400, "breakers")
