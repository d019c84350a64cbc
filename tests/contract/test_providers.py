"""A new provider in a minute: with a config entry, a model and a price, any OpenAI-compatible host is called and billed
like every other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.front import Gateway
from tests.upstream import FakeUpstream, Steer
from tests.upstream.server import Seen

TARGET = "acme/big-model"
PRICES = {TARGET: {"input": 2, "output": 8}}
CHAT: dict[str, Any] = {"model": "big", "messages": [{"role": "user", "content": "Hello!"}], "max_tokens": 50}


@pytest.fixture
def host() -> Iterator[FakeUpstream]:
    """A second OpenAI-compatible host, about which the package contains nothing."""
    with FakeUpstream() as fake:
        yield fake


def added(host: FakeUpstream, **said: Any) -> dict[str, Any]:
    entry = {"baseUrl": f"{host.url}/v1", "secret": "acme-key"} | said
    return {"vendors": {"acme": entry}, "models": {"big": {"target": TARGET}}, "prices": PRICES}


@pytest.fixture
def gateway(gateway: Gateway, host: FakeUpstream) -> Gateway:
    gateway.fake.secrets[f"{gateway.tables.prefix}/providers/acme-key"] = "sk-acme"
    reply = gateway.post("/api/v1/admin/config", added(host))
    assert reply.status == 200, reply.text
    gateway.restart()
    return gateway


def test_it_is_called_billed_and_named(gateway: Gateway, host: FakeUpstream) -> None:
    for model in ("big", TARGET, "big-model"):
        reply = gateway.post("/api/v1/completions", CHAT | {"model": model})
        assert reply.status == 200, reply.text
        assert (reply.body["provider"], reply.headers["x-gateway-provider"]) == ("acme", "acme")
        assert (reply.headers["x-gateway-model"], reply.headers["x-gateway-region"]) == (TARGET, "global")
    usage, cost = reply.body["usage"], reply.body["cost"]["total"]
    assert cost == pytest.approx((usage["prompt_tokens"] * 2 + usage["completion_tokens"] * 8) / 1e6, abs=2e-6)
    sent = host.seen[-1]
    assert (sent.path, sent.headers["authorization"]) == ("/v1/chat/completions", "Bearer sk-acme")
    assert (sent.body["model"], sent.body["max_tokens"]) == ("big-model", 50)
    assert not gateway.fake.seen
    row = gateway.rows()[-1]
    assert (row["provider"], row["target"], row["state"]) == ("acme", TARGET, "SETTLED")


def test_it_is_offered_and_has_a_breaker(gateway: Gateway, host: FakeUpstream) -> None:
    listed = {model["id"]: model["owned_by"] for model in gateway.ask("GET", "/v1/models?all=true").body["data"]}
    assert (listed["big"], listed[TARGET]) == ("acme", "acme")
    opened = gateway.post("/api/v1/admin/circuit-breakers", {"action": "open", "providers": ["acme"]})
    assert opened.status == 200, opened.text
    assert gateway.post("/api/v1/completions", CHAT).status == 503
    assert gateway.post("/api/v1/admin/circuit-breakers", {"action": "reset"}).status == 200
    gateway.restart()
    assert gateway.post("/api/v1/completions", CHAT).status == 200


def test_its_host_gets_the_dialect_s_own_fields_and_those_that_the_entry_lists(
    gateway: Gateway, host: FakeUpstream
) -> None:
    refused = gateway.post("/api/v1/completions", CHAT | {"top_a": 1})
    assert (refused.status, refused.error["param"]) == (400, "top_a")
    entry = added(host, passFields=["top_a"], caps=["max_completion_tokens"], serviceTier="flex")
    assert gateway.post("/api/v1/admin/config", entry).status == 200
    gateway.restart()
    assert gateway.post("/api/v1/completions", CHAT | {"top_a": 1}).status == 200
    body = host.seen[-1].body
    assert (body["top_a"], body["max_completion_tokens"], body["service_tier"]) == (1, 50, "flex")
    assert "max_tokens" not in body


def test_a_rotated_key_is_used_at_once(gateway: Gateway, host: FakeUpstream) -> None:
    assert gateway.post("/api/v1/completions", CHAT).status == 200

    def decide(seen: Seen) -> Steer | None:
        return None if seen.headers["authorization"] == "Bearer sk-new" else Steer(status=401)

    host.decide = decide
    gateway.fake.secrets[f"{gateway.tables.prefix}/providers/acme-key"] = "sk-new"
    assert gateway.post("/api/v1/completions", CHAT).status == 200
    assert [seen.headers["authorization"] for seen in host.seen] == ["Bearer sk-acme"] * 2 + ["Bearer sk-new"]
    first, second = (row["actual"] for row in gateway.rows())
    assert first == second > 0  # the refusal is not billed


def test_it_goes_with_its_models_and_prices(gateway: Gateway) -> None:
    gone = {"vendors": {"acme": None}}
    refused = gateway.post("/api/v1/admin/config", gone)
    assert (refused.status, refused.error["param"]) == (400, f"prices.{TARGET}")
    assert gateway.post("/api/v1/completions", CHAT).status == 200
    whole = gone | {"models": {"big": None}, "prices": {TARGET: None}}
    assert gateway.post("/api/v1/admin/config", whole).status == 200
    gateway.restart()
    for model in ("big", TARGET):
        unknown = gateway.post("/api/v1/completions", CHAT | {"model": model})
        assert (unknown.status, unknown.error["code"]) == (400, "model_not_found")


def test_a_secret_that_is_not_there_is_said_and_costs_nothing(gateway: Gateway) -> None:
    gateway.fake.secrets[f"{gateway.tables.prefix}/providers/acme-key"] = None
    reply = gateway.post("/api/v1/completions", CHAT)
    assert reply.status == 503
    assert "acme" in reply.error["message"]
    assert gateway.rows()[-1].get("actual", 0) == 0


@pytest.mark.parametrize(
    "url", ["https://169.254.169.254/latest", "http://10.0.0.1/v1", "https://user@acme.example/v1", "https://0/v1"]
)
def test_where_no_provider_may_be(gateway: Gateway, host: FakeUpstream, url: str) -> None:
    refused = gateway.post("/api/v1/admin/config", added(host, baseUrl=url))
    assert (refused.status, refused.error["param"]) == (400, "vendors.acme.baseUrl")
