"""Idempotency-Key on DynamoDB Local: a request that is sent twice is answered once, whatever is lost."""

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.calls.idempotency import KEPT_SECONDS, Idempotency, Kept, Made, Streamed
from gateway.calls.idempotency_store import ClaimStore
from gateway.dynamodb.attributes import from_item, size_of
from gateway.dynamodb.client import Database
from gateway.errors import (
    BadRequest,
    ClientGone,
    Conflict,
    GatewayError,
    StoreUnavailable,
    UnprocessableContent,
    UpstreamTimeout,
)
from tests.contract.conftest import DroppingDatabase, LossyDatabase, MeteredDatabase, Tables
from tests.contract.world import at_once


def refusal(error: GatewayError) -> Kept:
    return Kept(error.status, error.message, "text/plain", {})


class Service:
    """A service that counts how often it was really called."""

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
        answer: Callable[[], Made] | None = None,
        database: Database | None = None,
    ) -> tuple[Made, bool]:
        store = ClaimStore(database or self.tables.database, self.tables["state"])
        return Idempotency(store, lambda: self.now).once(key, sent, body, 28.0, answer or self.answer, failed=refusal)


def test_the_second_request_gets_the_first_one_s_answer(tables: Tables) -> None:
    service = Service(tables)
    first, replayed = service.ask()
    assert not replayed
    assert service.ask() == (first, True)
    assert service.ask(sent="b")[1] is False
    assert service.ask(key="key2")[1] is False  # an Idempotency-Key of one caller means nothing for another caller
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

    assert service.ask(answer=large)[0] == large()
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


class Pieces:
    """A stream of three pieces, with the given cost."""

    rid = "req_1"

    def __init__(self, charged: int, service: Service, fails: bool = False) -> None:
        self.charged, self.left, self.closed, self.fails = charged, 3, 0, fails
        service.made += 1

    def __next__(self) -> bytes:
        if self.left == 0:
            raise StopIteration
        self.left -= 1
        if self.fails and not self.left:
            raise UpstreamTimeout("late", provider="openai")
        return b"x"

    def close(self) -> None:
        self.closed, self.left = self.closed + 1, 0


def stream_of(service: Service, charged: int = 5, *, fails: bool = False, **asked: Any) -> tuple[Pieces, Any]:
    made: list[Pieces] = []

    def stream() -> Made:
        made.append(Pieces(charged, service, fails))
        return Streamed(200, made[0], "text/event-stream", {})

    answer, again = service.ask(answer=stream, **asked)
    assert isinstance(answer, Streamed)
    assert not again
    return made[0], answer.pieces


def conflict(service: Service, sent: str = "a") -> tuple[str, str | None, bool]:
    made = service.made
    with pytest.raises(Conflict) as told:
        service.ask(sent=sent)
    assert service.made == made
    return told.value.code, told.value.headers.get("x-gateway-request-id"), told.value.retry_after is not None


@pytest.mark.parametrize("end", ["read", "closed", "failed"])
def test_a_stream_is_under_way_then_known_by_its_request(tables: Tables, end: str) -> None:
    service = Service(tables)
    made, pieces = stream_of(service, fails=end == "failed")
    assert next(pieces) == b"x"
    assert conflict(service) == ("idempotency_in_progress", "req_1", True)
    if end == "read":
        assert list(pieces) == [b"x", b"x"]
    elif end == "closed":
        pieces.close()
    else:
        with pytest.raises(UpstreamTimeout):
            list(pieces)
    pieces.close()
    assert made.closed > 0
    assert conflict(service) == ("idempotency_streamed", "req_1", False)
    with pytest.raises(UnprocessableContent):
        service.ask(body=b'{"stream": false}')
    service.now += KEPT_SECONDS - 10
    assert conflict(service) == ("idempotency_streamed", "req_1", False)
    service.now += 20
    assert service.ask()[1] is False


def test_a_stream_that_cost_nothing_gives_the_key_back(tables: Tables) -> None:
    service = Service(tables)
    _, pieces = stream_of(service, charged=0)
    assert len(list(pieces)) == 3
    assert service.ask()[1] is False


def test_a_stream_whose_function_dies_is_not_made_again(tables: Tables) -> None:
    service = Service(tables)
    _, pieces = stream_of(service)
    next(pieces)
    assert conflict(service)[0] == "idempotency_in_progress"
    service.now += 34
    assert conflict(service) == ("idempotency_streamed", "req_1", False)


@pytest.mark.parametrize("database", [LossyDatabase, DroppingDatabase])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_what_is_lost_at_a_stream_s_beginning_or_end_makes_no_second_one(
    tables: Tables, number: int, database: Callable[..., Any]
) -> None:
    service = Service(tables)
    lost = database(tables.database, lambda _operation, at: at == number)
    if number == 1:  # nobody knows whether the key is claimed, so the provider is not called
        with pytest.raises(StoreUnavailable):
            stream_of(service, database=lost)
        assert service.made == 0
        return
    _, pieces = stream_of(service, database=lost)
    assert len(list(pieces)) == 3
    assert conflict(service)[0] in ("idempotency_streamed", "idempotency_in_progress")
    service.now += 34
    assert conflict(service) == ("idempotency_streamed", "req_1", False)


def test_what_a_client_left_is_known_by_its_request_where_it_cost_anything(tables: Tables) -> None:
    service = Service(tables)

    def left(charged: int) -> Made:
        service.made += 1
        error = ClientGone()
        error.charged = charged
        error.headers["x-gateway-request-id"] = "req_1"
        raise error

    for charged in (0, 7):
        with pytest.raises(ClientGone):
            service.ask(answer=lambda charged=charged: left(charged))  # type: ignore[misc]
    assert service.made == 2
    assert conflict(service) == ("idempotency_streamed", "req_1", False)


@pytest.mark.parametrize("sent", ["", "with space", "ü", "x" * 256])
def test_a_key_that_is_none(tables: Tables, sent: str) -> None:
    with pytest.raises(BadRequest) as refused:
        Service(tables).ask(sent=sent)
    assert refused.value.param == "Idempotency-Key"


def test_a_repeat_of_a_large_answer_writes_no_more_than_a_unit(tables: Tables) -> None:
    """A refused write costs as much as the item that refuses it is large, so a large answer is stored next to its
    claim."""
    service, sizes = Service(tables), (1_000, 3_000, 60_000, 150_000)
    for size in sizes:
        noise = random.Random(size).randbytes(size).hex()
        made = Kept(200, noise, "application/json", {"x-gateway-cost": "0.1"})
        metered = MeteredDatabase(tables.database)
        assert service.ask(sent=f"k{size}", answer=partial(replace, made), database=metered) == (made, False)
        assert service.ask(sent=f"k{size}") == (made, True)
        assert metered.units <= 2 * size / 1_000 + 4
    scanned = tables.database.call("Scan", {"TableName": tables["state"]})["Items"]
    claims = [size_of(item) for item in map(from_item, scanned) if item["sk"] == "claim"]
    assert len(claims) == len(sizes)
    assert [size for size in sorted(claims) if size > 1_024] == [max(claims)]  # the small answer is in the item itself
    assert max(claims) < 3 * 1_024


def test_of_two_that_kept_an_answer_the_claim_s_own_is_told(tables: Tables) -> None:
    """A caller that comes back after its claim was taken over does not change the answer that the other one stored."""
    service = Service(tables)
    noise = [random.Random(number).randbytes(3_000).hex() for number in range(2)]

    def slow() -> Kept:
        service.now += 34
        assert service.ask(body=b"[]", answer=lambda: Kept(200, noise[1], "a/b", {}))[1] is False
        return Kept(200, noise[0], "a/b", {})

    assert service.ask(answer=slow)[0] == Kept(200, noise[0], "a/b", {})
    assert service.ask(body=b"[]") == (Kept(200, noise[1], "a/b", {}), True)


@pytest.mark.parametrize("number", [2, 3])
def test_a_large_answer_that_is_not_kept_whole_is_not_told(tables: Tables, number: int) -> None:
    service = Service(tables)
    large = Kept(200, random.Random(1).randbytes(3_000).hex(), "a/b", {})
    dropped = DroppingDatabase(tables.database, lambda _operation, at: at == number)
    assert service.ask(answer=lambda: large, database=dropped)[0] == large
    with pytest.raises(Conflict) as waiting:
        service.ask()
    assert waiting.value.code == "idempotency_in_progress"
    service.now += 34
    assert service.ask()[1] is False
