"""A gateway is its settings: two may stand side by side, and each thing of one is made once."""

import threading

import pytest

from gateway.errors import StoreUnavailable
from gateway.settings import read_settings
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
    """What a class and those it is built on define."""
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
        gate.wait(10)
        found.append(slow.thing)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert (len(count), len(set(map(id, found)))) == (1, 1)


def test_a_fake_is_taken_where_it_was_set() -> None:
    gateway = made("fake")
    gateway.database = DownDatabase()
    with pytest.raises(StoreUnavailable):
        gateway.key_store.get("abc")
