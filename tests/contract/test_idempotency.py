"""Idempotency-Key on DynamoDB Local: a request that is sent twice is answered once, whatever gets lost."""

import random
from collections.abc import Callable

import pytest

from gateway.calls.idempotency import KEPT_SECONDS, Idempotency, Kept
from gateway.calls.idempotency_store import ClaimStore
from gateway.dynamodb.client import Database
from gateway.errors import BadRequest, Conflict, GatewayError, UnprocessableContent, UpstreamTimeout
from tests.contract.conftest import DroppingDatabase, LossyDatabase, Tables
from tests.contract.world import at_once


def refusal(error: GatewayError) -> Kept:
    return Kept(error.status, error.message, "text/plain", {})


class Service:
    """A service that counts how often it was really asked."""

    def __init__(self, tables: Tables) -> None:
        self.tables, self.now, self.made = tables, 1_800_000_000.0, 0

    def answer(self) -> Kept:
        self.made += 1
        return Kept(200, f'{{"answer": {self.made}}}', "application/json", {"x-gateway-cost": "0.1"})

    def ask(
        self,
        sent: str = "a",
        body: bytes = b"{}",
        key: str = "key1",
        answer: Callable[[], Kept] | None = None,
        database: Database | None = None,
    ) -> tuple[Kept, bool]:
        store = ClaimStore(database or self.tables.database, self.tables["state"])
        return Idempotency(store, lambda: self.now).once(key, sent, body, 28.0, answer or self.answer, failed=refusal)


def test_the_second_request_gets_the_first_one_s_answer(tables: Tables) -> None:
    service = Service(tables)
    first, replayed = service.ask()
    assert not replayed
    assert service.ask() == (first, True)
    assert service.ask(sent="b")[1] is False
    assert service.ask(key="key2")[1] is False  # a key of one caller is nothing to another
    assert service.made == 3
    with pytest.raises(UnprocessableContent) as other:
        service.ask(body=b"[]")
    assert other.value.code == "idempotency_key_reused"
    service.now += KEPT_SECONDS + 1
    assert service.ask()[1] is False


def test_of_many_at_once_one_is_answered_and_the_others_wait(tables: Tables) -> None:
    service, outcomes = Service(tables), []

    def request() -> None:
        try:
            outcomes.append("replayed" if service.ask()[1] else "made")
        except Conflict as error:
            outcomes.append(error.code)

    at_once(20, request)
    assert service.made == 1
    assert outcomes.count("made") == 1
    assert set(outcomes) <= {"made", "replayed", "idempotency_in_progress"}


def test_a_failed_call_gives_the_key_back(tables: Tables) -> None:
    service = Service(tables)

    def fails() -> Kept:
        raise BadRequest("no")

    with pytest.raises(BadRequest):
        service.ask(answer=fails)
    assert service.ask(body=b"[1]")[1] is False


def test_what_cost_money_is_kept_a_failure_too(tables: Tables) -> None:
    service = Service(tables)

    def fails(charged: int) -> Kept:
        service.made += 1
        error = UpstreamTimeout("late", provider="openai")
        error.charged = charged
        raise error

    with pytest.raises(UpstreamTimeout):
        service.ask(answer=lambda: fails(0))
    with pytest.raises(UpstreamTimeout):
        service.ask(answer=lambda: fails(1))
    assert service.ask() == (Kept(504, "late", "text/plain", {}), True)
    assert service.made == 2
    with pytest.raises(UnprocessableContent):
        service.ask(body=b"[]")


def test_a_claim_whose_function_died_is_free_after_its_deadline(tables: Tables) -> None:
    service = Service(tables)

    def dies() -> Kept:
        raise KeyboardInterrupt

    never = DroppingDatabase(tables.database, lambda operation, _n: operation == "DeleteItem")
    with pytest.raises(KeyboardInterrupt):
        service.ask(answer=dies, database=never)
    with pytest.raises(Conflict) as waiting:
        service.ask()
    assert waiting.value.retry_after
    service.now += 34
    assert service.ask() == (Kept(200, '{"answer": 1}', "application/json", {"x-gateway-cost": "0.1"}), False)


def test_an_answer_too_large_to_keep_is_said_not_repeated(tables: Tables) -> None:
    service = Service(tables)
    noise = random.Random(1).randbytes(300_000).hex()

    def large() -> Kept:
        return Kept(200, noise, "application/json", {})

    assert service.ask(answer=large)[0].text == noise
    with pytest.raises(Conflict) as kept:
        service.ask()
    assert kept.value.code == "idempotency_answer_too_large"
    service.ask(sent="long", answer=lambda: Kept(200, "word " * 400_000, "text/plain", {}))
    assert service.ask(sent="long")[1] is True  # long, and short when compressed


def test_lost_replies_claim_once_and_lose_no_answer(tables: Tables) -> None:
    service = Service(tables)
    for number in range(20):
        lost = random.Random(number)
        database = LossyDatabase(tables.database, lambda _o, _n, lost=lost: lost.random() < 0.3)
        sent = f"key-{number}"
        for _ in range(6):
            try:
                service.ask(sent=sent, database=database)
                break
            except GatewayError:
                service.now += 40
    answered = [service.ask(sent=f"key-{number}")[1] for number in range(20)]
    assert all(answered)


@pytest.mark.parametrize("sent", ["", "with space", "ü", "x" * 256])
def test_a_key_that_is_none(tables: Tables, sent: str) -> None:
    with pytest.raises(BadRequest) as refused:
        Service(tables).ask(sent=sent)
    assert refused.value.param == "Idempotency-Key"
