"""How Anthropic's own client sees each error at the streaming door: its class and type, the request's id under both
names and in the body, whether the client would try again, and after how many seconds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import closing
from types import MappingProxyType
from typing import Any, NamedTuple

import anthropic
import pytest

from gateway.api.message import MAX_BODY_BYTES
from tests.contract.anthropic_client import ASKED, Client, client, place
from tests.contract.front import Gateway
from tests.upstream import Steer

__all__ = ["client", "place"]
LONG = [{"role": "user", "content": "a" * MAX_BODY_BYTES}]
TOOLS: Any = [{"name": "Read", "input_schema": {"type": "object", "properties": {}}}]
NOTHING: Mapping[str, Any] = MappingProxyType({})


class Case(NamedTuple):
    """A request, the rights of its key, the provider's behaviour, and the result. `again`: the client would try again
    by itself; `wait` is in seconds."""

    status: int
    kind: str
    again: bool
    wait: int | None = None
    key: Mapping[str, Any] = NOTHING
    asked: Mapping[str, Any] = NOTHING
    steer: Steer | None = None


CASES = {
    "a field that is none": Case(400, "invalid_request_error", False, asked={"max_tokens": -1}),
    "no such model": Case(404, "not_found_error", False, asked={"model": "nobody"}),
    "not this key's model": Case(403, "permission_error", False, key={"models": ["chat"]}),
    "not this key's scope": Case(403, "permission_error", False, key={"scopes": ["models"]}),
    "a body too large": Case(413, "request_too_large", False, asked={"messages": LONG}),
    "a coding that nobody knows": Case(
        415, "invalid_request_error", False, asked={"extra_headers": {"content-encoding": "br"}}
    ),
    "no budget": Case(402, "billing_error", False, key={"max_budget": 0.000001}),
    "more than a minute's tokens": Case(429, "rate_limit_error", False, key={"tpm_limit": 1}),
    "found wrong by the provider": Case(
        400, "invalid_request_error", False, steer=Steer(status=400, message="messages: too many images")
    ),
    "unknown to the provider": Case(404, "not_found_error", False, steer=Steer(status=404)),
    "our key is refused": Case(502, "api_error", True, steer=Steer(status=401)),
    "the provider limits us": Case(429, "rate_limit_error", True, 7, steer=Steer(status=429, retry_after="7")),
    "the provider limits us for less than a second": Case(
        429, "rate_limit_error", True, 1, steer=Steer(status=429, retry_after_ms="20")
    ),
    "the provider limits us and says so for good": Case(
        429, "rate_limit_error", False, steer=Steer(status=429, header="x-should-retry: false")
    ),
    "the provider fails": Case(502, "api_error", True, steer=Steer(status=500)),
    "the provider is overloaded": Case(529, "overloaded_error", True, steer=Steer(status=529)),
    "the provider breaks off": Case(502, "api_error", True, steer=Steer(reset="headers")),
    "no answer at all": Case(502, "api_error", True, steer=Steer(body="malformed")),
}
WHOLE = ("no answer at all",)  # only of an answer in one piece


def told(sdk: anthropic.Anthropic, **asked: Any) -> anthropic.APIStatusError:
    """The error in a message, whose ids agree."""
    with pytest.raises(anthropic.APIStatusError) as caught:
        sdk.messages.create(**{"model": "messages", "messages": ASKED, "max_tokens": 50, **asked})
    error, headers = caught.value, caught.value.response.headers
    assert error.request_id == headers["request-id"] == headers["x-request-id"]
    assert json.loads(error.response.text)["request_id"] == error.request_id
    assert headers.get("retry-after", "0").isdigit()
    return error


@pytest.mark.parametrize(
    ("name", "streamed"), [*((name, False) for name in CASES), *((name, True) for name in CASES if name not in WHOLE)]
)
def test_each_error(gateway: Gateway, client: Client, name: str, streamed: bool) -> None:
    case = CASES[name]
    if case.steer is not None:
        gateway.fake.script(case.steer)
    key, _ = gateway.new_key(**case.key)
    with closing(client(key)) as sdk:
        error = told(sdk, **case.asked, stream=streamed)
        again = sdk._should_retry(error.response)
    assert (error.status_code, error.type) == (case.status, case.kind), error.response.text
    assert again is case.again
    assert error.response.headers.get("retry-after") == (None if case.wait is None else str(case.wait))


def test_a_key_that_is_none_and_two_keys(gateway: Gateway, client: Client) -> None:
    key, _ = gateway.new_key()
    for sent, headers in (
        ("sk-wrong", {}),
        (key, {"authorization": f"Bearer {gateway.keys['free']}", "x-api-key": key}),
    ):
        with closing(client(sent)) as sdk:
            error = told(sdk, extra_headers=headers)
            assert (error.status_code, error.type) == (401, "authentication_error")
            assert sdk._should_retry(error.response) is False


def test_a_limit_is_told_with_whole_seconds_and_a_retry_waits_for_it(gateway: Gateway, client: Client) -> None:
    key, _ = gateway.new_key(rpm_limit=1)
    with closing(client(key)) as sdk:
        sdk.messages.create(model="messages", messages=ASKED, max_tokens=50)
        error = told(sdk)
        assert (error.status_code, error.type) == (429, "rate_limit_error")
        assert sdk._should_retry(error.response) is True
        seconds = int(error.response.headers["retry-after"])
        assert seconds - 1 <= (sdk._parse_retry_after_header(error.response.headers) or 0) <= seconds <= 60


def test_a_provider_that_is_left_alone_is_overloaded(gateway: Gateway, client: Client) -> None:
    assert gateway.post("/api/v1/admin/circuit-breakers", {"action": "open", "providers": ["anthropic"]}).status == 200
    key, _ = gateway.new_key()
    with closing(client(key)) as sdk:
        error = told(sdk)
        assert (error.status_code, error.type) == (529, "overloaded_error")
        assert sdk._should_retry(error.response) is True


def test_an_idempotency_key_that_another_request_had(gateway: Gateway, client: Client) -> None:
    key, _ = gateway.new_key()
    once = {"idempotency-key": "once"}
    asked: Any = {
        "tools": TOOLS,
        "tool_choice": {"type": "tool", "name": "Read"},
        "system": [{"type": "text", "text": "s"}],
    }
    with closing(client(key)) as sdk:
        first, again = (
            sdk.messages.with_raw_response.create(
                model="messages", messages=ASKED, max_tokens=50, extra_headers=once, **asked
            )
            for _ in range(2)
        )
        assert again.headers["idempotency-replayed"] == "true"
        assert first.text() == again.text()
        assert first.headers["request-id"] != again.headers["request-id"] == again.headers["x-request-id"]
        error = told(sdk, extra_headers=once)
        assert (error.status_code, error.type) == (422, "invalid_request_error")
        assert sdk._should_retry(error.response) is False
    assert len(gateway.rows()) == 1


def test_paths_and_methods_that_are_none(client: Client, gateway: Gateway) -> None:
    with closing(client("sk-wrong")) as sdk:
        for method, path in (("GET", "/v1/messages"), ("POST", "/v1/messages/batches"), ("DELETE", "/v1/messages/x")):
            with pytest.raises(anthropic.NotFoundError) as caught:
                getattr(sdk, method.lower())(path, cast_to=object)
            headers = caught.value.response.headers
            assert caught.value.type == "not_found_error"
            assert caught.value.request_id == headers["x-request-id"]


def test_answers_that_are_no_errors_have_their_ids_too(gateway: Gateway, client: Client) -> None:
    key, _ = gateway.new_key()
    with closing(client(key)) as sdk:
        raw: Any = sdk.messages.with_raw_response
        answers = [
            raw.create(model="messages", messages=ASKED, max_tokens=50),
            raw.create(model="messages", messages=ASKED, max_tokens=50, stream=True),
            raw.count_tokens(model="messages", messages=ASKED),
            raw.count_tokens(model="chat", messages=ASKED),
            sdk.models.with_raw_response.list(),
            sdk.models.with_raw_response.retrieve("messages"),
        ]
        for answer in answers:
            assert answer.headers["request-id"] == answer.headers["x-request-id"]
