"""What an answer of DynamoDB means: our defect, or a store that can't be had."""

import json
from collections.abc import Mapping

import pytest

from gateway.aws.http import HttpReply
from gateway.errors import StoreRejected, StoreUnavailable
from gateway.stores.dynamodb import DynamoDB


class Answers:
    """HTTP that answers everything the same."""

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
