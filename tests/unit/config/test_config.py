"""The config: defaults under versioned overrides. Merge patches change it, as a whole or not at all."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.admin import ConfigAdmin
from gateway.config.checks import check
from gateway.config.document import parse_config
from gateway.config.patches import composed, effective_patch, merge_patch
from gateway.config.service import ConfigSource, defaults
from gateway.config.store import Overrides
from gateway.destinations import Destinations
from gateway.errors import BadRequest, Conflict, PreconditionFailed, StoreUnavailable
from gateway.models.model_names import ModelNames
from gateway.models.prices import PriceBook
from tests.fakes.database import Clock

ORIGINAL = {
    "rateLimits": {"free": {"requestsPerMinute": 20, "requestsPerHour": 200}},
    "circuitBreaker": {"failureThreshold": 3, "timeoutMs": 30_000},
}


class MemoryConfig:
    def __init__(self) -> None:
        self.saved = Overrides(0, {})
        self.reads = 0
        self.down = self.raced = False

    def current(self, *, consistent: bool = False) -> Overrides:
        self.reads += 1
        if self.down:
            raise StoreUnavailable("down")
        return self.saved

    def save(self, replaced: Overrides, document: Mapping[str, Any], *, by: str, at: str) -> Overrides | None:
        if self.raced or replaced.version != self.saved.version:
            return None
        self.saved = Overrides(replaced.version + 1, document)
        return self.saved


@pytest.fixture
def store() -> MemoryConfig:
    return MemoryConfig()


@pytest.fixture
def admin(store: MemoryConfig) -> ConfigAdmin:
    return ConfigAdmin(store, PriceBook.load(), ("openai", "bedrock"))


def change(admin: ConfigAdmin, patch: Mapping[str, Any], if_match: int | None = None) -> tuple[int, dict[str, Any]]:
    return admin.update(patch, by="key", at="2026-11-24T00:00:00+00:00", if_match=if_match)


def test_the_packaged_config_is_valid_and_its_models_have_prices(admin: ConfigAdmin) -> None:
    config = parse_config(defaults())
    assert [config.tier(tier).requests_per_minute for tier in ("free", "basic", "premium", "enterprise")] == [
        10,
        100,
        1_000,
        10_000,
    ]
    assert {"gpt-4", "gpt-3.5-turbo", "claude-3-sonnet"} <= set(config.models)
    check(config, ModelNames(config, PriceBook.load(), ("openai", "bedrock")), Destinations())


def test_the_originals_update_is_accepted(admin: ConfigAdmin) -> None:
    version, document = change(admin, ORIGINAL)
    assert version == 1
    free = document["rateLimits"]["free"]
    assert (free["requestsPerMinute"], free["requestsPerHour"], free["defaultMaxTokens"]) == (20, 200, 1024)
    assert document["circuitBreaker"]["failureThreshold"] == 3
    assert admin.effective() == (version, document)


def test_a_tier_s_budget_is_set_in_dollars_and_removed_by_null(admin: ConfigAdmin) -> None:
    assert parse_config(admin.effective()[1]).tier("basic").budget is None
    _, document = change(admin, {"rateLimits": {"basic": {"maxBudget": 2.5, "budgetDuration": "daily"}}})
    basic = parse_config(document).tier("basic")
    assert (basic.budget, basic.budget_duration, basic.requests_per_minute) == (2_500_000, "daily", 100)
    _, document = change(admin, {"rateLimits": {"basic": {"maxBudget": 10, "budgetDuration": None}}})
    basic = parse_config(document).tier("basic")
    assert (basic.budget, basic.budget_duration) == (10_000_000, "monthly")
    _, document = change(admin, {"rateLimits": {"basic": {"maxBudget": None}}})
    assert (document["rateLimits"]["basic"]["maxBudget"], parse_config(document).tier("basic").budget) == (None, None)


@pytest.mark.parametrize(
    ("patch", "param"),
    [
        ({"rateLimits": {"free": {"requestsPerMinute": 0}}}, "rateLimits.free.requestsPerMinute"),
        ({"rateLimits": {"free": {"requestsPerMinute": "10"}}}, "rateLimits.free.requestsPerMinute"),
        ({"rateLimits": {"free": {"requestPerMinute": 10}}}, "rateLimits.free.requestPerMinute"),
        ({"rateLimits": {"free": None}}, "rateLimits.free"),
        ({"rateLimits": None}, "rateLimits"),
        ({"rateLimits": {"free": {"maxBudget": -0.01}}}, "rateLimits.free.maxBudget"),
        ({"rateLimits": {"free": {"maxBudget": "10"}}}, "rateLimits.free.maxBudget"),
        ({"rateLimits": {"free": {"budgetDuration": "yearly"}}}, "rateLimits.free.budgetDuration"),
        ({"models": {"x": {"target": "elsewhere/x"}}}, "models.x.target"),
        ({"models": {"x": {"target": "openai/has-no-price"}}}, "models.x.target"),
        ({"prices": {"openai/x": {"input": -1, "output": 1}}}, "prices.openai/x.input"),
        *(
            ({"prices": {"openai/gpt-4": {"input": 1, "output": 1} | {name: amount}}}, f"prices.openai/gpt-4.{name}")
            for name in ("input", "output", "cached", "cacheWrite", "cacheWrite1h")
            for amount in (1e-7, 0.1500001)
        ),
        ({"rateLimits": {"free": {"maxBudget": 1e-7}}}, "rateLimits.free.maxBudget"),
        ({"circuitBreaker": {"failureRatio": 2}}, "circuitBreaker.failureRatio"),
        ({"secret": 1}, "secret"),
        ({}, None),
    ],
)
def test_a_wrong_update_names_the_field_and_changes_nothing(
    admin: ConfigAdmin, store: MemoryConfig, patch: dict[str, Any], param: str | None
) -> None:
    with pytest.raises(BadRequest) as refused:
        change(admin, patch)
    assert refused.value.param == param
    assert store.saved.version == 0


def test_a_model_may_be_added_with_its_price(admin: ConfigAdmin) -> None:
    _, document = change(
        admin,
        {
            "models": {"mine": {"target": "openai/llama3.2"}},
            "prices": {"openai/llama3.2": {"input": 0.1, "output": 0.2}},
        },
    )
    assert parse_config(document).price_overrides["openai/llama3.2"].input == 100_000


@pytest.mark.parametrize("amount", [0.15, 1.1, 2.2, 0.000001, 3])
def test_an_amount_is_kept_as_it_is_written(admin: ConfigAdmin, amount: float) -> None:
    names = ("input", "output", "cached", "cacheWrite", "cacheWrite1h")
    budget = {"rateLimits": {"free": {"maxBudget": amount}}}
    _, document = change(admin, {"prices": {"openai/gpt-4": dict.fromkeys(names, amount)}} | budget)
    price, right = parse_config(document).price_overrides["openai/gpt-4"], Decimal(str(amount)) * 1_000_000
    assert {price.input, price.output, price.cached, price.cache_write, price.cache_write_1h} == {right}
    assert parse_config(document).tier("free").budget == right


def test_null_removes_a_packaged_alias_and_stays_removed(admin: ConfigAdmin) -> None:
    change(admin, {"models": {"gpt-4": None}})
    _, document = change(admin, ORIGINAL)
    assert "gpt-4" not in document["models"]


def test_if_match_and_races(admin: ConfigAdmin, store: MemoryConfig) -> None:
    change(admin, ORIGINAL, if_match=0)
    with pytest.raises(PreconditionFailed) as refused:
        change(admin, ORIGINAL, if_match=0)
    assert refused.value.param == "If-Match"
    store.raced = True
    with pytest.raises(Conflict):
        change(admin, ORIGINAL, if_match=1)


def test_read_at_most_every_ten_seconds(store: MemoryConfig) -> None:
    clock = Clock()
    source = ConfigSource(store, clock)
    for _ in range(100):
        source.get()
        clock.advance(0.5)
    assert store.reads == 5


def test_the_last_good_config_stays_when_the_store_or_a_version_is_bad(store: MemoryConfig) -> None:
    clock = Clock()
    source = ConfigSource(store, clock)
    good = source.get()
    clock.advance(11)
    store.down = True
    assert source.get() is good
    clock.advance(11)
    store.down, store.saved = False, Overrides(1, {"rateLimits": {"free": {"requestsPerMinute": -1}}})
    assert source.get() is good


def test_without_any_good_config_nothing_is_guessed(store: MemoryConfig) -> None:
    store.down = True
    with pytest.raises(StoreUnavailable):
        ConfigSource(store).get()


documents = st.recursive(
    st.none() | st.integers(0, 3),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
).filter(lambda value: isinstance(value, dict))


@given(older=documents, newer=documents)
def test_a_composed_patch_ends_where_two_patches_end(older: dict[str, Any], newer: dict[str, Any]) -> None:
    base = {"a": 9, "b": 8}  # without objects to merge into, patches of RFC 7396 compose exactly
    assert merge_patch(base, composed(older, newer)) == merge_patch(merge_patch(base, older), newer)


def names(document: Any) -> int:
    inside = document.values() if isinstance(document, dict) else ()
    return len(inside) + sum(map(names, inside))


def nulls(document: Any) -> int:
    return document is None or sum(map(nulls, document.values() if isinstance(document, dict) else ()))


@given(patch=documents, base=documents)
def test_what_is_kept_of_a_patch_does_the_same_and_holds_no_null_for_nothing(
    patch: dict[str, Any], base: dict[str, Any]
) -> None:
    kept = effective_patch(patch, base)
    assert merge_patch(base, kept) == merge_patch(base, patch)
    assert nulls(kept) <= names(base)
    assert effective_patch(kept, base) == kept


def test_nulls_that_remove_nothing_leave_nothing_behind(admin: ConfigAdmin, store: MemoryConfig) -> None:
    for number in range(50):
        change(admin, {"models": {f"x{number}": None}, "prices": {f"openai/x{number}": None}, f"odd{number}": None})
        priced = {"input": 1, "output": 1, "cached": None}
        change(admin, {"prices": {f"openai/y{number}": priced}, "models": {"y": {"target": f"openai/y{number}"}}})
        change(admin, {"prices": {f"openai/y{number}": None}, "models": {"y": None}})
    assert store.saved.document == {}
    change(admin, {"models": {"gpt-4": None, "x": None}, "rateLimits": {"free": {"burst": None}}})
    assert store.saved.document == {"models": {"gpt-4": None}}


def test_a_config_that_grows_too_large_is_refused_by_name_and_changes_nothing(
    admin: ConfigAdmin, store: MemoryConfig
) -> None:
    price = {"input": 1, "output": 1}
    with pytest.raises(BadRequest) as many:
        change(admin, {"prices": {f"openai/m{number}": price for number in range(501)}})
    assert (many.value.param, store.saved.version) == ("prices", 0)
    with pytest.raises(BadRequest) as large:
        change(admin, {"prices": {f"openai/{'m' * 110}{number}": price for number in range(500)}})
    assert (large.value.code, large.value.status, store.saved.version) == ("config_too_large", 400, 0)
    with pytest.raises(BadRequest) as one:  # in the same field
        change(admin, {"rateLimits": {"free": {"shadow": ["budget"] * 20_000}}})
    assert (one.value.status, store.saved.version) == (400, 0)
    change(admin, {"prices": {f"openai/m{number}": price for number in range(500)}})
    assert store.saved.version == 1
