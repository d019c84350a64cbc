"""The meaning of an answer of DynamoDB: a defect of ours, or a store that can't be reached."""

import json
import time
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.aws.http import HttpReply
from gateway.dynamodb.client import DynamoDB
from gateway.errors import StoreRejected, StoreUnavailable

ANY_TEXT = st.text(st.characters(codec=None, categories=None), max_size=8)  # half surrogate pairs too
PARTS = st.recursive(
    st.booleans() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=12,
)


class Echo:
    """HTTP that answers each request with its own body, or with the ASCII form of it."""

    def __init__(self, *, ascii_only: bool) -> None:
        self.ascii_only, self.sent = ascii_only, b""

    def post(self, _path: str, body: bytes, _headers: Mapping[str, str], _timeout: float) -> HttpReply:
        self.sent = body
        return HttpReply(200, {}, json.dumps(json.loads(body)).encode() if self.ascii_only else body)


class Answers:
    """HTTP that gives every request the same answer."""

    def __init__(self, status: int, kind: str) -> None:
        self.status, self.kind, self.calls = status, kind, 0

    def post(self, _path: str, _body: bytes, _headers: Mapping[str, str], _timeout: float) -> HttpReply:
        self.calls += 1
        return HttpReply(
            self.status, {}, json.dumps({"__type": f"com.amazonaws.x#{self.kind}", "message": "m"}).encode()
        )


@pytest.mark.parametrize(
    "kind",
    [
        "AccessDeniedException",
        "ExpiredTokenException",
        "InvalidSignatureException",
        "KMSInvalidStateException",
        "ResourceNotFoundException",
        "ThrottlingException",
        "UnrecognizedClientException",
    ],
)
def test_a_store_that_can_not_be_had_is_unavailable_and_no_refusal_of_anybody(kind: str) -> None:
    with pytest.raises(StoreUnavailable):
        DynamoDB(Answers(400, kind)).call("GetItem", {})


@pytest.mark.parametrize("kind", ["ValidationException", "SerializationException", "UnknownOperationException"])
def test_a_request_that_is_wrong_is_our_defect(kind: str) -> None:
    http = Answers(400, kind)
    with pytest.raises(StoreRejected):
        DynamoDB(http).call("GetItem", {}, attempts=2)
    assert http.calls == 1


def test_a_write_that_met_a_transaction_is_repeated_though_it_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The transaction was not applied: that of a first call must not refuse the calls that come at the same time."""
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    http = Answers(400, "TransactionConflictException")
    with pytest.raises(StoreUnavailable):
        DynamoDB(http).call("UpdateItem", {})
    assert 1 < http.calls <= 10


@given(st.dictionaries(ANY_TEXT, PARTS, max_size=4), st.booleans())
def test_a_request_says_what_was_asked_and_its_answer_what_was_said(request: dict[str, Any], ascii_only: bool) -> None:
    http = Echo(ascii_only=ascii_only)
    assert DynamoDB(http).call("UpdateItem", request) == request
    assert json.loads(http.sent) == request


@pytest.mark.parametrize("body", [b"<html>", b"{", b'"\xff"', b'{"a":"\xed\xa0\x80"}'])
def test_an_answer_that_is_no_json_says_nothing_of_the_request(body: bytes) -> None:
    class Broken:
        def post(self, _path: str, _body: bytes, _headers: Mapping[str, str], _timeout: float) -> HttpReply:
            return HttpReply(200, {}, body)

    with pytest.raises(StoreUnavailable):
        DynamoDB(Broken()).call("GetItem", {})
