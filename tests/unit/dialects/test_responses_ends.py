"""The codes with which a stream of Responses fails, and how an agent reacts to each. The rules were copied from the
agent's source. By them, it sends nothing again that was paid for."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from gateway.dialects.responses.ends import acts_on, failure_of
from gateway.dialects.responses.spoken import SPOKEN
from gateway.dialects.sse import Parser
from gateway.errors import (
    BudgetExceeded,
    GatewayError,
    InternalError,
    RateLimited,
    UpstreamError,
    UpstreamRejected,
    UpstreamThrottled,
    UpstreamUnavailable,
)
from tests.upstream.responses_judge import stream_faults

# Codex: codes of response.failed after which it does not ask again. After any other, and response.incomplete, it does.
FINAL = frozenset(
    (
        "context_length_exceeded",
        "insufficient_quota",
        "usage_not_included",
        "cyber_policy",
        "invalid_prompt",
        "model_not_found",
        "server_is_overloaded",
    )
)
WAITS = re.compile(r"(?i)try again in\s*(\d+(?:\.\d+)?)\s*(s|ms|seconds?)")
BUDGET = BudgetExceeded("The key has spent its budget.")
LIMIT = RateLimited("Too many.", retry_after=1.45)
TOO_LONG = UpstreamRejected("Too long.", provider="p", code="context_length_exceeded")
BROKEN = UpstreamError("The answer of p broke off.", provider="p")


def paid(error: GatewayError) -> GatewayError:
    error.charged = 1
    return error


@pytest.mark.parametrize(
    ("error", "agents", "usual"),
    [
        (BUDGET, "insufficient_quota", "insufficient_quota"),
        (LIMIT, "rate_limit_exceeded", "rate_limit_exceeded"),
        (UpstreamThrottled("Busy.", provider="p"), "rate_limit_exceeded", "rate_limit_exceeded"),
        (TOO_LONG, "context_length_exceeded", "context_length_exceeded"),
        (UpstreamRejected("Wrong.", provider="p"), "invalid_prompt", "invalid_prompt"),
        (BROKEN, "server_error", "server_error"),
        (InternalError(), "server_error", "server_error"),
        (paid(UpstreamError("Broke.", provider="p")), "invalid_prompt", "server_error"),
        (paid(InternalError()), "invalid_prompt", "server_error"),
        (paid(UpstreamThrottled("Busy.", provider="p")), "invalid_prompt", "rate_limit_exceeded"),
    ],
)
def test_codes(error: GatewayError, agents: str, usual: str) -> None:
    assert failure_of(error, by_end=True)["code"] == agents
    assert failure_of(error, by_end=False)["code"] == usual
    if error.charged:
        assert agents in FINAL


def test_an_agent_waits_as_long_as_it_is_told() -> None:
    found = WAITS.search(failure_of(LIMIT, by_end=True)["message"])
    assert found is not None
    assert (found[1], found[2]) == ("1.5", "s")


def test_what_is_told_in_a_stream_and_what_by_its_status() -> None:
    assert all(map(acts_on, (BUDGET, LIMIT, TOO_LONG, paid(UpstreamError("Broke.", provider="p")))))
    assert not acts_on(UpstreamUnavailable("Down.", provider="p"))
    assert not acts_on(UpstreamRejected("Wrong.", provider="p"))


def events(wire: bytes) -> list[tuple[str, dict[str, Any]]]:
    return [(kind, json.loads(data)) for kind, data in Parser().feed(wire)]


def test_an_error_before_the_first_event_is_a_whole_stream() -> None:
    delivery = SPOKEN.delivery(SPOKEN.parse({"model": "m", "input": "hi"}), by_end=True)
    told = events(delivery.error(BUDGET, {}))
    assert stream_faults(told) == []
    assert [kind for kind, _ in told] == ["response.created", "response.in_progress", "response.failed"]


def test_a_ping_is_an_event_that_no_reader_minds() -> None:
    delivery = SPOKEN.delivery(SPOKEN.parse({"model": "m", "input": "hi"}))
    created = {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": "in_progress",
        "model": "m",
        "output": [],
    }
    wire = delivery.chunk(
        "response.created", {"type": "response.created", "sequence_number": 0, "response": created}, ""
    )
    wire += delivery.ping()
    done = {"type": "response.completed", "sequence_number": 1, "response": {**created, "status": "completed"}}
    wire += delivery.chunk("response.completed", done, "") + delivery.end(None, {})
    assert stream_faults(events(wire)) == []
    assert "keepalive" in wire.decode()


def test_what_a_provider_says_of_its_failure_is_told_once_and_in_our_words() -> None:
    delivery = SPOKEN.delivery(SPOKEN.parse({"model": "m", "input": "hi"}))
    failed = {"response": {"error": {"code": "x", "message": "secret"}}}
    assert delivery.chunk("response.failed", failed, "{}") == b""
    assert delivery.chunk("error", {"code": "x", "message": "secret"}, "{}") == b""
