"""Every expression of the stores, except those of the ledger, on DynamoDB Local."""

import threading
from datetime import datetime, timedelta
from typing import Any

import pytest

from gateway.billing.parked_store import ParkedStore
from gateway.breakers.breaker import PROBE_LEASE_MS, Breaker, BreakerKey, BreakerRules
from gateway.breakers.store import BreakerStore
from gateway.config.store import ConfigStore, Overrides
from gateway.dynamodb.attributes import from_item
from gateway.errors import BadRequest, ConditionFailed
from gateway.health.store import HealthStore
from gateway.identity import key_text as keys
from gateway.identity.caller import KeyLimits
from gateway.identity.store import KeyRecord, KeyStore, NoSuchTeam, TeamRecord
from tests.contract.conftest import Tables

RULES = BreakerRules(failure_threshold=3, failure_ratio=0.5, window_ms=30_000, timeout_ms=60_000, half_open_calls=3)
KEY, OTHER = BreakerKey("openai", "global", "gpt-4"), BreakerKey("bedrock", "eu-central-1", "a.b-v1:0")
AT = "2026-11-24T00:00:00+00:00"
NOW = 1_800_000_015_000


def record(number: int, **changes: Any) -> KeyRecord:
    text = keys.new_key()
    values: dict[str, Any] = {
        "id": keys.key_id(text),
        "digest": keys.digest(text),
        "name": f"key {number}",
        "tier": "free",
        "scopes": ("completions",),
        "created": f"2026-11-24T00:00:{number:02d}.000Z",
    }
    return KeyRecord(**values | changes)


def test_keys_are_kept_whole(tables: Tables) -> None:
    store = KeyStore(tables.database, tables["api-keys"])
    full = record(
        1,
        models=("gpt-4",),
        team_id="team",
        user_id="user",
        expires=1_900_000_000,
        limits=KeyLimits(rpm_limit=5, tpm_limit=6, max_parallel_requests=7, max_budget=8, budget_duration="daily"),
        metadata={"a": "b"},
    )
    with pytest.raises(NoSuchTeam):
        store.create(full)
    store.create_team(TeamRecord("team", "Team", "2026-11-24T00:00:00.000Z"))
    for key in (full, record(2)):
        store.create(key)
        assert store.get(key.id) == key
        with pytest.raises(ConditionFailed):
            store.create(key)
    assert store.get("nobody") is None


def test_revoking_is_once_and_repeatable(tables: Tables) -> None:
    store = KeyStore(tables.database, tables["api-keys"])
    key = record(1)
    store.create(key)
    for _ in range(2):
        revoked = store.revoke(key.id)
        assert revoked is not None
        assert (revoked.state, revoked.version) == ("revoked", 2)
    assert store.revoke("nobody") is None


def test_a_team_s_record_is_no_key_s(tables: Tables) -> None:
    store = KeyStore(tables.database, tables["api-keys"])
    store.create_team(TeamRecord("blue", "Blue", "2026-11-24T00:00:00.000Z"))
    assert store.get("team#blue") is None
    assert store.revoke("team#blue") is None
    with pytest.raises(ConditionFailed):
        store.delete("team#blue")
    assert store.team("blue") is not None


def test_a_key_of_another_version_is_not_revoked(tables: Tables) -> None:
    store = KeyStore(tables.database, tables["api-keys"])
    key = record(1)
    store.create(key)
    with pytest.raises(ConditionFailed):
        store.revoke(key.id, version=2)
    for _ in range(2):  # a repeat finds the key revoked, whatever its version
        revoked = store.revoke(key.id, version=1)
        assert revoked is not None
        assert (revoked.state, revoked.version) == ("revoked", 2)


def test_keys_are_listed_newest_first_in_pages(tables: Tables) -> None:
    store = KeyStore(tables.database, tables["api-keys"])
    for number in range(7):
        store.create(record(number))
    names, cursor = [], None
    while True:
        page, cursor = store.list(3, cursor)
        names += [key.name for key in page]
        if cursor is None:
            break
    assert names == [f"key {number}" for number in reversed(range(7))]
    for wrong in ("x", "e30", "eyJpZCI6MX0"):
        with pytest.raises(BadRequest):
            store.list(3, wrong)


def test_config_versions_follow_each_other(tables: Tables) -> None:
    store = ConfigStore(tables.database, tables["state"])
    assert store.current() == Overrides(0, {})
    first = store.save(Overrides(0, {}), {"a": 1.5}, by="me", at=AT)
    assert first == Overrides(1, {"a": 1.5}) == store.current(consistent=True)
    assert store.save(Overrides(0, {}), {"b": 1}, by="other", at=AT) is None
    assert store.save(first, {"a": None}, by="me", at=AT) == Overrides(2, {"a": None}) == store.current()


def test_fifty_replaced_versions_are_kept_each_for_a_year_from_then(tables: Tables) -> None:
    store, saved = ConfigStore(tables.database, tables["state"]), Overrides(0, {})
    for number in range(1, 121):
        day = datetime.fromisoformat(AT) + timedelta(days=number)
        made = store.save(saved, {"n": number}, by=f"admin{number}", at=day.isoformat())
        assert made is not None
        saved = (
            store.current(consistent=True) if number % 2 else made
        )  # as another container, or the same one, reads it
    items = [from_item(item) for item in tables.database.call("Scan", {"TableName": tables["state"]})["Items"]]
    kept = sorted((item["version"], item["document"], item["by"]) for item in items if item["sk"] != "current")
    assert kept == [(number, f'{{"n":{number}}}', f"admin{number}") for number in range(70, 120)]
    for item in items:  # the current version has no end
        replaced = datetime.fromisoformat(AT) + timedelta(days=item["version"] + 1)
        assert item.get("ttl") == (None if item["sk"] == "current" else int(replaced.timestamp()) + 365 * 86_400)


def test_of_many_updates_at_once_one_wins(tables: Tables) -> None:
    store = ConfigStore(tables.database, tables["state"])
    won: list[Overrides] = []

    def save(number: int) -> None:
        saved = store.save(Overrides(0, {}), {"n": number}, by="x", at=AT)
        if saved:
            won.append(saved)

    run([threading.Thread(target=save, args=(number,)) for number in range(10)])
    assert len(won) == 1
    assert store.current(consistent=True) == won[0]


def stored(store: BreakerStore, key: BreakerKey) -> Breaker:
    return store.read([key]).get(key) or Breaker(key)


def test_a_breaker_counts_trips_probes_and_closes(tables: Tables) -> None:
    store = BreakerStore(tables.database, tables["state"])
    assert stored(store, KEY).open is False
    assert store.report(KEY, 1, 4, NOW, RULES).failures == 1
    counted = store.report(KEY, 1, 0, NOW + 1, RULES)
    assert (counted.failures, counted.successes, counted.window) == (2, 4, NOW - NOW % 30_000)
    assert store.report(KEY, 1, 0, NOW + 30_000, RULES).failures == 1
    assert store.report(KEY, 1, 0, NOW, RULES).failures == 1  # of a window that is over: only a hint
    breaker = stored(store, KEY)
    assert store.trip(breaker, NOW, RULES) is True
    assert store.trip(breaker, NOW, RULES) is False
    opened = stored(store, KEY)
    assert (opened.open, opened.until, opened.trips) == (True, NOW + 60_000, 1)
    assert store.report(KEY, 1, 0, NOW, RULES).open is True
    assert store.lease_probe(KEY, NOW, RULES) is None
    due = NOW + 60_000
    assert [store.lease_probe(KEY, due, RULES) is not None for _ in range(5)] == [True] * 3 + [False] * 2
    assert store.lease_probe(KEY, due + PROBE_LEASE_MS, RULES) is not None
    assert store.trip(stored(store, KEY), due, RULES) is True
    assert stored(store, KEY).until == due + 120_000
    store.close(KEY, due)
    assert stored(store, KEY).open is False
    assert store.report(KEY, 1, 0, due, RULES).failures == 1


def test_a_breaker_remembers_slow_keys_of_its_window_and_takes_probes_back(tables: Tables) -> None:
    store = BreakerStore(tables.database, tables["state"])
    assert store.report(KEY, 0, 0, NOW, RULES, "key1").slow == {"key1"}
    store.report(KEY, 0, 0, NOW + 1, RULES, "key1")
    assert store.report(KEY, 0, 2, NOW + 2, RULES, "key2").slow == {"key1", "key2"}
    assert store.report(KEY, 0, 0, NOW + 30_000, RULES, "key3").slow == {"key3"}
    assert store.report(KEY, 1, 0, NOW + 60_000, RULES).slow == frozenset()
    store.return_probe(KEY, NOW)  # a closed breaker has none
    assert store.trip(stored(store, KEY), NOW, RULES) is True
    due = NOW + 60_000
    assert [store.lease_probe(KEY, due, RULES) is not None for _ in range(4)] == [True] * 3 + [False]
    store.return_probe(KEY, due)
    assert [store.lease_probe(KEY, due, RULES) is not None for _ in range(2)] == [True, False]
    for _ in range(5):
        store.return_probe(KEY, due)
    assert stored(store, KEY).probes == 0
    store.close(KEY, due)
    assert stored(store, KEY).slow == frozenset()


def test_of_many_probes_at_once_three_go(tables: Tables) -> None:
    store = BreakerStore(tables.database, tables["state"])
    store.report(KEY, 3, 0, NOW, RULES)
    store.trip(stored(store, KEY), NOW, RULES)
    leased: list[Any] = []
    threads = [
        threading.Thread(target=lambda: leased.append(store.lease_probe(KEY, NOW + 60_000, RULES))) for _ in range(20)
    ]
    run(threads)
    assert sum(lease is not None for lease in leased) == 3


def test_an_operators_breaker_takes_no_probe(tables: Tables) -> None:
    store = BreakerStore(tables.database, tables["state"])
    store.force_open(OTHER, NOW)
    assert stored(store, OTHER).state(NOW + 10**9) == "open"
    assert store.lease_probe(OTHER, NOW + 10**9, RULES) is None
    store.close(OTHER, NOW)
    assert stored(store, OTHER).state(NOW) == "closed"


def test_health_reads_breakers_and_what_was_observed(tables: Tables) -> None:
    BreakerStore(tables.database, tables["state"]).force_open(KEY, NOW)
    usage = HealthStore(tables.database, tables["state"])
    usage.observe({"openai|latency_ms": 12, "openai|at": NOW}, {"requests": 2, "errors": 1, "tokens": 9})
    usage.observe({}, {"requests": 1, "errors": 0, "tokens": 1})
    facts = HealthStore(tables.database, tables["state"]).facts()
    assert facts.breakers[0].forced is True
    assert (facts.observed["requests"], facts.observed["tokens"], facts.observed["openai|latency_ms"]) == (3, 10, 12)


def test_a_record_is_parked_once(tables: Tables) -> None:
    parked = ParkedStore(tables.database, tables["state"])
    for text in ('{"a": 1}', '{"b": 2}'):
        parked.park(text, "PoisonRow: x", "identifier", 1_800_000_000)
    assert [item["record"] for item in parked.waiting()] == ['{"a": 1}']
    parked.counted("identifier", 1_800_000_001)
    parked.counted("another", 1_800_000_001)
    parked.park('{"a": 1}', "PoisonRow: x", "identifier", 1_800_000_002)
    assert list(parked.waiting()) == []


def run(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
