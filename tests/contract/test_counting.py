"""Counting tokens at the streaming door with Anthropic's own client: who counts, how much of a key's limits a count
uses, and that nothing is billed, recorded or held."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import anthropic
import pytest

from gateway import wiring
from tests.contract.anthropic_client import ASKED, WAYS, Client, client, place
from tests.contract.front import Gateway
from tests.upstream import Steer
from tests.upstream.counting import tokens

__all__ = ["client", "place"]
UNCOUNTED = {"id", "st", "kv"}  # of an item that no admission has changed
COUNTED = ("messages", "invoke", "converse")


def item(gateway: Gateway, key_id: str) -> dict[str, Any]:
    return wiring.gateway().limits_store.get(key_id)


@pytest.mark.parametrize("way", COUNTED)
def test_the_provider_counts_for_nothing_and_it_counts_as_a_request(gateway: Gateway, client: Client, way: str) -> None:
    key, key_id = gateway.new_key(max_budget=1, rpd_limit=5)
    with closing(client(key)) as sdk:
        raw = sdk.messages.with_raw_response.count_tokens(model=way, messages=ASKED)
    assert raw.json() == {"input_tokens": raw.parse().input_tokens}
    assert raw.headers["x-gateway-model"] == WAYS[way]["target"]
    assert "x-gateway-estimated" not in raw.headers
    (seen,) = gateway.fake.seen
    assert seen.path.rpartition("/")[2] in ("count_tokens", "count-tokens")
    assert gateway.rows() == []
    found = item(gateway, key_id)
    assert [count for name, count in found.items() if name.startswith("d_")] == [1]
    assert found["inflight"] == 0
    assert not [name for name, value in found.items() if name[:2] in ("us", "o_", "n_", "s_", "t_") and value]


@pytest.mark.parametrize("way", ["newer", "chat"])
def test_whom_nobody_counts_is_estimated_and_takes_nothing(gateway: Gateway, client: Client, way: str) -> None:
    key, key_id = gateway.new_key(rpm_limit=1)
    with closing(client(key)) as sdk:
        for _ in range(3):
            raw = sdk.messages.with_raw_response.count_tokens(model=way, messages=ASKED)
    assert raw.json() == {"input_tokens": raw.parse().input_tokens, "estimated": True}
    assert raw.headers["x-gateway-estimated"] == "true"
    assert raw.parse().input_tokens > 0
    assert (gateway.fake.seen, gateway.rows()) == ([], [])
    assert item(gateway, key_id).keys() == UNCOUNTED


FAILURES = [
    Steer(status=403),
    Steer(status=404),
    Steer(status=429, retry_after="9"),
    Steer(status=500),
    Steer(status=529),
    Steer(reset="headers"),
    Steer(body="malformed"),
]


@pytest.mark.parametrize("way", COUNTED)
def test_a_provider_that_does_not_count_now_is_no_error(gateway: Gateway, client: Client, way: str) -> None:
    key, key_id = gateway.new_key(max_parallel_requests=1)
    with closing(client(key)) as sdk:
        for steer in FAILURES:
            gateway.fake.script(steer)
            told = sdk.messages.count_tokens(model=way, messages=ASKED)
            assert told.model_extra == {"estimated": True}, steer
        assert sdk.messages.count_tokens(model=way, messages=ASKED).model_extra == {}
        sdk.messages.create(model=way, messages=ASKED, max_tokens=50)  # no breaker learned of it, and no place is taken
    assert len(gateway.fake.seen) == len(FAILURES) + 2
    assert item(gateway, key_id)["inflight"] == 0
    assert len(gateway.rows()) == 1


def test_a_provider_that_keeps_silent_is_waited_for_no_longer_than_clients_wait(
    gateway: Gateway, client: Client
) -> None:
    gateway.fake.script(Steer(delay=600))
    key, _ = gateway.new_key()
    with closing(client(key, timeout=30)) as sdk:
        assert sdk.messages.count_tokens(model="messages", messages=ASKED).model_extra == {"estimated": True}


def test_what_anthropic_finds_wrong_with_the_prompt_is_told_in_its_words(gateway: Gateway, client: Client) -> None:
    key, _ = gateway.new_key()
    with closing(client(key)) as sdk, pytest.raises(anthropic.BadRequestError) as wrong:
        sdk.messages.count_tokens(model="messages", messages=[*ASKED, {"role": "assistant", "content": "Well "}])
    assert "trailing whitespace" in str(wrong.value)
    assert wrong.value.type == "invalid_request_error"
    assert wrong.value.request_id


def test_bedrock_s_words_of_a_count_are_none_of_a_message(gateway: Gateway, client: Client) -> None:
    gateway.fake.script(Steer(status=400, message="The provided model doesn't support counting tokens."))
    key, _ = gateway.new_key()
    with closing(client(key)) as sdk:
        assert sdk.messages.count_tokens(model="invoke", messages=ASKED).model_extra == {"estimated": True}


def test_a_flood_of_counts_is_a_key_s_own_limit(gateway: Gateway, client: Client) -> None:
    key, _ = gateway.new_key(rpm_limit=2)
    with closing(client(key)) as sdk:
        for _ in range(2):
            sdk.messages.count_tokens(model="messages", messages=ASKED)
        for _ in range(5):
            with pytest.raises(anthropic.RateLimitError) as limited:
                sdk.messages.count_tokens(model="messages", messages=ASKED)
    assert limited.value.type == "rate_limit_error"
    assert int(limited.value.response.headers["retry-after"]) >= 1
    assert len(gateway.fake.seen) == 2


def test_a_budget_that_is_used_up_is_no_reason_to_refuse_a_count(gateway: Gateway, client: Client) -> None:
    key, _ = gateway.new_key(max_budget=0.000001)
    with closing(client(key)) as sdk:
        assert sdk.messages.count_tokens(model="messages", messages=ASKED).model_extra == {}


def test_who_may_not_call_may_not_count(gateway: Gateway, client: Client) -> None:
    narrow, key_id = gateway.new_key(models=["messages"])
    with closing(client(narrow)) as sdk:
        with pytest.raises(anthropic.PermissionDeniedError):
            sdk.messages.count_tokens(model="invoke", messages=ASKED)
        with pytest.raises(anthropic.NotFoundError):
            sdk.messages.count_tokens(model="nobody", messages=ASKED)
        sdk.messages.count_tokens(model="messages", messages=ASKED)
        # The key was revoked and narrowed. Containers remember the old record for a minute, but refuse at once.
        assert gateway.ask("PATCH", f"/api/v1/admin/keys/{key_id}", {"models": ["chat"]}).status == 200
        with pytest.raises(anthropic.PermissionDeniedError):
            sdk.messages.count_tokens(model="messages", messages=ASKED)
        assert gateway.ask("DELETE", f"/api/v1/admin/keys/{key_id}").status in (200, 204)
        with pytest.raises(anthropic.AuthenticationError):
            sdk.messages.count_tokens(model="messages", messages=ASKED)
    unscoped, _ = gateway.new_key(scopes=["models"])
    with closing(client(unscoped)) as sdk, pytest.raises(anthropic.PermissionDeniedError):
        sdk.messages.count_tokens(model="messages", messages=ASKED)
    assert len(gateway.fake.seen) == 1


def test_a_provider_that_is_left_alone_is_not_asked(gateway: Gateway, client: Client) -> None:
    reply = gateway.post("/api/v1/admin/circuit-breakers", {"action": "open", "providers": ["anthropic"]})
    assert reply.status == 200, reply.text
    key, key_id = gateway.new_key()
    with closing(client(key)) as sdk:
        assert sdk.messages.count_tokens(model="messages", messages=ASKED).model_extra == {"estimated": True}
    assert gateway.fake.seen == []
    assert item(gateway, key_id).keys() == UNCOUNTED


def test_the_prompt_is_counted_as_a_message_would_be_billed(gateway: Gateway, client: Client) -> None:
    key, _ = gateway.new_key()
    tools: Any = [{"name": "Read", "input_schema": {"type": "object", "properties": {}}}]
    asked: Any = {"model": "messages", "messages": ASKED, "system": "Be brief.", "tools": tools}
    with closing(client(key)) as sdk:
        found = sdk.messages.count_tokens(**asked, thinking={"type": "enabled", "budget_tokens": 2_000})
        billed = sdk.messages.create(**asked, max_tokens=50)
    assert found.input_tokens == tokens(["Be brief.", ASKED, tools]) == billed.usage.input_tokens


def test_the_client_s_version_and_betas_go_on_to_its_own_provider(gateway: Gateway, client: Client) -> None:
    key, _ = gateway.new_key()
    with closing(client(key)) as sdk:
        sdk.beta.messages.count_tokens(model="messages", messages=ASKED)
        sdk.messages.create(model="messages", messages=ASKED, max_tokens=50)
        older = {"anthropic-version": "2023-06-01"}
        extra = {"temperature": 0.5}
        sdk.messages.create(model="messages", messages=ASKED, max_tokens=50, extra_headers=older, extra_body=extra)
        with pytest.raises(anthropic.BadRequestError) as gone:
            sdk.messages.create(model="messages", messages=ASKED, max_tokens=50, extra_body=extra)
        assert "temperature: Extra inputs are not permitted" in str(gone.value)
        sdk.messages.create(model="invoke", messages=ASKED, max_tokens=50, extra_body=extra)
        for odd in ("a" * 41, "2023 06", "ä"):
            header = {"anthropic-version": odd.encode().decode("latin-1")}
            with pytest.raises(anthropic.BadRequestError) as refused:
                sdk.messages.create(model="chat", messages=ASKED, max_tokens=50, extra_headers=header)
            assert refused.value.body["error"]["param"] == "anthropic-version"  # type: ignore[index]
    versions = [seen.headers.get("anthropic-version") for seen in gateway.fake.seen]
    assert versions == ["2026-10-21", "2026-10-21", "2023-06-01", "2026-10-21", None]
    assert "token-counting-2024-11-01" in gateway.fake.seen[0].headers["anthropic-beta"]
