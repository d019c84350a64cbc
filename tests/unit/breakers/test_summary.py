"""How health and operators see a provider: as the worst of its breakers."""

from typing import Any

import pytest

from gateway.breakers.breaker import Breaker, BreakerKey
from gateway.breakers.summary import summary_of
from gateway.health.health import Health
from gateway.health.store import HealthFacts

NOW = 1_800_000_000_000
MODEL, OTHER, HOST = (BreakerKey.parse(f"openai{text}@global") for text in ("/a", "/b", ""))


def opened(key: BreakerKey, ago: int = 1_000, **facts: Any) -> Breaker:
    return Breaker(key, open=True, opened=NOW - ago, until=NOW - ago + 60_000, failures=5, **facts)


def test_the_worst_counts_and_others_of_a_like_name_do_not() -> None:
    breakers = [Breaker(OTHER, failures=2), opened(MODEL), opened(BreakerKey("openai2", "global"))]
    found = summary_of("openai", breakers, NOW)
    assert (found.state, found.reach, found.open, found.failures, found.opened) == ("open", "closed", 1, 7, NOW - 1_000)
    assert summary_of("bedrock", breakers, NOW).state == "closed"


def test_half_open_is_between_and_is_forgotten_when_nobody_calls() -> None:
    assert summary_of("openai", [opened(MODEL, 61_000)], NOW).state == "half_open"
    assert summary_of("openai", [opened(MODEL, 3_700_000)], NOW).state == "closed"
    assert summary_of("openai", [opened(MODEL, 3_700_000, forced=True)], NOW).state == "open"


def test_a_vendor_s_own_is_an_operator_s_switch_and_nothing_else() -> None:
    assert summary_of("openai", [opened(HOST.whole)], NOW).state == "closed"  # as an older version left it
    assert summary_of("openai", [opened(HOST.whole, forced=True)], NOW).reach == "open"


class Stored:
    def __init__(self, *breakers: Breaker) -> None:
        self.breakers = breakers

    def facts(self) -> HealthFacts:
        return HealthFacts(self.breakers)


@pytest.mark.parametrize(
    ("breakers", "service", "whole"),
    [
        ((), "up", "healthy"),
        ((opened(MODEL),), "degraded", "degraded"),
        ((opened(MODEL, 61_000),), "degraded", "degraded"),
        ((opened(HOST),), "down", "unhealthy"),
        ((opened(HOST.whole, forced=True),), "down", "unhealthy"),
    ],
)
def test_a_provider_is_down_where_none_of_its_models_can_be_called(
    breakers: tuple[Breaker, ...], service: str, whole: str
) -> None:
    stored = Stored(*breakers)
    health = Health("1", "test", "eu", ("openai",), 128, lambda: stored, now=lambda: NOW / 1_000)
    summary, shown = health.summary(), health.breakers()
    assert (summary["services"]["openai"], summary["status"]) == (service, whole)
    assert set(shown["circuitBreakers"]["openai"]) == {"state", "open", "failures", "openedAt"}
    assert "@" not in repr((summary, shown))  # not everybody may learn whose models are called here
