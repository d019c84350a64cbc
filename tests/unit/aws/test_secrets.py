"""Secrets: they are kept for five minutes, and read again if a provider refuses one, but not in a flood of reads."""

from __future__ import annotations

import threading

import pytest

from gateway.aws.http import AwsHttp
from gateway.aws.secrets import SecretStore, SecretUnavailable
from gateway.aws.sigv4 import Credentials
from tests.fakes.database import Clock
from tests.upstream import FakeUpstream


@pytest.fixture
def clock() -> Clock:
    return Clock(0)


@pytest.fixture
def store(fake: FakeUpstream, clock: Clock) -> SecretStore:
    http = AwsHttp("secretsmanager", "eu-west-1", fake.url, lambda: Credentials("A", "S"))
    return SecretStore(http, clock)


def test_kept_for_five_minutes(fake: FakeUpstream, store: SecretStore, clock: Clock) -> None:
    fake.secrets["s"] = "one"
    assert [store.get("s"), store.get("s")] == ["one", "one"]
    fake.secrets["s"] = "two"
    clock.advance(299)
    assert store.get("s") == "one"
    clock.advance(2)
    assert store.get("s") == "two"
    assert fake.secret_reads == ["s", "s"]


def test_a_refused_one_is_read_anew_at_once_and_no_more_than_once_in_ten_seconds(
    fake: FakeUpstream, store: SecretStore, clock: Clock
) -> None:
    fake.secrets |= {"s": "one", "other": "x"}
    store.get("s")
    fake.secrets["s"] = "two"
    for _ in range(50):
        store.reread("s", 1.0)
    assert (store.get("s"), len(fake.secret_reads)) == ("two", 2)
    store.reread("other", 1.0)  # each secret has its own interval
    assert len(fake.secret_reads) == 3
    fake.secrets["s"] = "three"
    clock.advance(10)
    store.reread("s", 1.0)
    assert (store.get("s"), len(fake.secret_reads)) == ("three", 4)


def test_what_can_not_be_read_anew_stays_as_it_was(fake: FakeUpstream, store: SecretStore, clock: Clock) -> None:
    fake.secrets["s"] = "one"
    store.get("s")
    fake.secrets["s"] = None
    store.reread("s", 1.0)
    assert store.get("s") == "one"
    store.reread("never-read", 0.0)
    clock.advance(3_601)
    with pytest.raises(SecretUnavailable):
        store.get("s")


def test_many_threads_read_it_once_and_all_have_the_new_one(fake: FakeUpstream, store: SecretStore) -> None:
    fake.secrets["s"] = "one"
    store.get("s")
    fake.secrets["s"] = "two"
    seen: list[str] = []

    def refused() -> None:
        store.reread("s", 5.0)
        seen.append(store.get("s"))

    threads = [threading.Thread(target=refused) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (set(seen), len(seen), len(fake.secret_reads)) == ({"two"}, 20, 2)
