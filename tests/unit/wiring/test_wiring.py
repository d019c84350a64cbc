"""A gateway follows from its settings: two may exist at the same time, and each makes its parts once."""

import threading
from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from gateway.calls.plan import Plan
from gateway.config.document import Config, parse_config
from gateway.config.service import defaults
from gateway.errors import Forbidden, NotFound, StoreUnavailable
from gateway.identity.caller import Caller, KeyLimits, ModelLimits
from gateway.ledger.accounts import further_accounts
from gateway.settings import read_settings
from gateway.vendors.base import Provider
from gateway.wiring import Gateway
from gateway.wiring.once import once
from tests.fakes.database import DownDatabase, ScriptedDatabase


def made(environment: str) -> Gateway:
    variables = {
        "GATEWAY_ENVIRONMENT": environment,
        "GATEWAY_TABLE_PREFIX": f"t-{environment}",
        "GATEWAY_PROVIDERS": "openai",
        "AWS_REGION": "us-east-1",
    }
    return Gateway(read_settings(variables))


def test_two_gateways_side_by_side_share_nothing() -> None:
    one, other = made("one"), made("other")
    one.database, other.database = ScriptedDatabase({}), DownDatabase()
    things = [name for name, thing in vars_of(Gateway).items() if isinstance(thing, once)]
    assert len(things) > 25
    for name in things:
        first, second = getattr(one, name), getattr(other, name)
        assert first is not second, name
        assert getattr(one, name) is first, name
    assert (one.health.environment, other.health.environment) == ("one", "other")
    first, second = one.vendors.provider("openai"), other.vendors.provider("openai")
    assert one.vendors.provider("openai") is first is not second


def vars_of(kind: type) -> dict[str, object]:
    """The attributes that a class and its bases define."""
    return {name: thing for base in kind.__mro__ for name, thing in vars(base).items()}


def test_a_thing_that_two_requests_ask_for_at_once_is_made_once() -> None:
    gate, count = threading.Barrier(4), []

    class Slow(Gateway):
        @once
        def thing(self) -> object:
            count.append(1)
            gone.wait(0.05)
            return object()

    slow, found, gone = Slow(made("x").settings), [], threading.Event()

    def ask() -> None:
        gate.wait(60)
        found.append(slow.thing)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (len(count), len(set(map(id, found)))) == (1, 1)


def test_a_fake_is_taken_where_it_was_set() -> None:
    gateway = made("fake")
    gateway.database = DownDatabase()
    with pytest.raises(StoreUnavailable):
        gateway.key_store.get("abc")


class _Fixed:
    """A config that does not change."""

    def __init__(self, **parts: object) -> None:
        self._config = parse_config({**defaults(), **parts})

    def get(self) -> Config:
        return self._config


ANY_TWO: dict[str, object] = {"models": {"best": {"models": ["gpt-6.1-sol", "claude-opus-5-5"]}}}
FIRST, SECOND = "bedrock/global.openai.gpt-6.1-sol", "bedrock/eu.anthropic.claude-opus-5-5"


@pytest.mark.parametrize(
    ("parts", "bound_to", "target"),
    [
        ({}, "", FIRST),
        ({}, "eu", SECOND),
        ({"residency": "eu"}, "", SECOND),
        ({"residency": "eu"}, "us", None),
        ({"prices": {FIRST: {"input": 1, "output": 1, "ends": "2020-01-01"}}}, "", SECOND),
    ],
)
def test_a_name_stands_for_what_a_call_by_it_would_go_to(
    parts: dict[str, object], bound_to: str, target: str | None
) -> None:
    """A limit on a model holds by the rule that binds the key, also if the first model of an alias has ended."""
    variables = {"GATEWAY_ENVIRONMENT": "test", "GATEWAY_TABLE_PREFIX": "t", "GATEWAY_PROVIDERS": "bedrock"}
    gateway = Gateway(read_settings(variables | {"AWS_REGION": "eu-central-1"}))
    gateway.config_source = _Fixed(**ANY_TWO | parts)  # type: ignore[assignment]  # all that is asked of one
    assert gateway.target_of("best", bound_to) == target
    limit = ModelLimits("best", FIRST, KeyLimits())
    caller = Caller("k", "free", (), 1, residency=bound_to, model_limits=(limit,))
    found = further_accounts(caller, [target or SECOND], gateway.target_of)
    assert [each.model for each in found] == ([] if target is None else ["best"])


def test_what_names_stand_for_is_found_anew_with_the_day_and_the_config() -> None:
    gateway = made("days")
    gateway.database = ScriptedDatabase({})
    ending: dict[str, object] = {"openai/gpt-4o": {"input": 1, "output": 1, "ends": "2026-11-28"}}
    config, other = _Fixed(prices=ending).get(), _Fixed().get()
    completions = gateway.completions
    midnight = datetime(2026, 11, 28, tzinfo=UTC).timestamp()
    completions.now = lambda: midnight - 1
    names = completions.model_names(config)
    assert names.resolve("openai/gpt-4o").ending == "2026-11-28"
    assert completions.model_names(config) is names
    assert completions.model_names(other).resolve("openai/gpt-4o").ending != "2026-11-28"
    completions.now = lambda: midnight
    with pytest.raises(NotFound):
        completions.model_names(config).resolve("openai/gpt-4o")


def test_where_a_model_is_called_is_found_anew_with_the_config_and_not_with_each_call() -> None:
    gateway = made("places")
    gateway.database = ScriptedDatabase({})
    completions, provider = gateway.completions, gateway.completions.provider
    asked: list[str] = []

    def counted(name: str, region: str) -> Provider:
        asked.append(name)
        return provider(name, region)

    completions.provider = counted
    body = {"model": "openai/gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
    caller = Caller("k", "free", ("completions",), 1)

    def plan(bound_to: str = "") -> Plan:
        return completions.plan(replace(caller, residency=bound_to), body, correlation_id="c", seconds_left=20)

    completions.config = _Fixed()  # type: ignore[assignment]  # all that is asked of one
    assert plan().first.route is plan().first.route
    assert asked == ["openai"]
    completions.config = _Fixed(prices={"openai/gpt-4o": {"input": 7, "output": 7}})  # type: ignore[assignment]
    assert (plan().first.route.price.input, asked) == (7_000_000, ["openai"] * 2)
    with pytest.raises(Forbidden):  # what another key may use says nothing about this one
        plan("eu")
    with pytest.raises(Forbidden):
        completions.plan(replace(caller, models=("gpt-4",)), body, correlation_id="c", seconds_left=20)


def test_no_model_has_ended_where_providers_are_played_on_this_machine() -> None:
    """Otherwise `make run` would refuse the documents' own commands from some day on, and tests would fail on that
    date."""
    ended = _Fixed(**ANY_TWO, prices={FIRST: {"input": 1, "output": 1, "ends": "2020-01-01"}})
    variables = {"GATEWAY_ENVIRONMENT": "local", "GATEWAY_TABLE_PREFIX": "t", "GATEWAY_PROVIDERS": "bedrock"}
    variables |= {"AWS_REGION": "eu-central-1"}
    for said, target in (("", SECOND), ("allow", FIRST)):
        gateway = Gateway(read_settings(variables | {"GATEWAY_LOOPBACK_PROVIDERS": said}))
        gateway.database = ScriptedDatabase({})
        gateway.config_source = ended  # type: ignore[assignment]  # all that is asked of one
        assert gateway.target_of("best") == target
        route = gateway.completions.model_names(ended.get()).resolve("best")
        assert (route.target, route.ending) == (target, "")
