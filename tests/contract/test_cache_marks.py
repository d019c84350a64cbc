"""Cache marks that the gateway adds to prompts to Claude, through the streaming door: the config decides which models
get them; how much is held, and how much is billed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.contract.front import Gateway, Place
from tests.contract.test_responses import BODY, TEXT, Door, offer
from tests.upstream import Steer, messages_judge

KEY: dict[str, Any] = {"prompt_cache_key": "conversation-1", "instructions": "Be brief. " * 400}
CLAUDES = ("messages", "converse", "invoke")


@pytest.fixture(scope="module", autouse=True)
def judge() -> None:
    messages_judge.warm()


@pytest.fixture
def place() -> Place:
    return Place(providers="openai,bedrock,anthropic")


def marks(gateway: Gateway) -> int:
    """How many marks the last request to the provider had."""
    sent = json.dumps(gateway.fake.seen[-1].body)
    return sent.count('"cache_control"') + sent.count('"cachePoint"')


def rule(gateway: Gateway, word: str) -> None:
    assert gateway.post("/api/v1/admin/config", {"cacheMarks": word}).status == 200
    gateway.restart()


@pytest.mark.parametrize("way", CLAUDES)
def test_what_is_written_and_read_is_billed_to_the_micro_dollar(gateway: Gateway, way: str) -> None:
    offer(gateway, way)
    door = Door(gateway)
    for cached, written in ((0, 3_000), (3_000, 200)):
        gateway.fake.decide = lambda seen, cached=cached, written=written: Steer(  # type: ignore[misc]
            text=TEXT, cached=cached, cache_write=written
        )
        answer = door.ask(BODY | KEY)
        usage = answer.body["usage"]
        details = usage["input_tokens_details"]
        assert (details["cached_tokens"], details["cache_write_tokens"]) == (cached, written)
        fresh = usage["input_tokens"] - cached - written
        prompt = fresh * 3_000_000 + cached * 300_000 + written * 3_750_000
        row = gateway.rows()[-1]
        assert row["prompt_cost"] == -(-prompt // 1_000_000)
        assert row["actual"] == round(usage["cost"] * 1e6) <= row["est"]
        assert marks(gateway) == 2, "behind the system's words, and what was said last"
        assert "x-gateway-dropped" not in answer.headers


@pytest.mark.parametrize("way", CLAUDES)
def test_who_gets_them_is_the_config_s_to_say(gateway: Gateway, way: str) -> None:
    offer(gateway, way)
    door = Door(gateway)
    quiet = {name: value for name, value in KEY.items() if name != "prompt_cache_key"}
    for word, asked, unasked in (("never", 0, 0), ("asked", 2, 0), ("always", 2, 2)):
        rule(gateway, word)
        answer = door.ask(BODY | KEY)
        assert (answer.status, marks(gateway)) == (200, asked), answer.body
        assert answer.headers.get("x-gateway-dropped") == (None if asked else "prompt_cache_key")
        assert (door.ask(BODY | quiet).status, marks(gateway)) == (200, unasked)
    estimates = [row["est"] for row in gateway.rows()]
    assert estimates[2] > estimates[3] == estimates[1], "what may be written is held at the price of writing"


def test_chat_has_them_too_and_a_client_s_own_stay_alone(gateway: Gateway) -> None:
    offer(gateway, "converse")
    body = {"model": "it", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 5, "prompt_cache_key": "k"}
    assert (gateway.ask("POST", "/v1/chat/completions", body).status, marks(gateway)) == (200, 1)
    part = {"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}}
    own = body | {"messages": [{"role": "system", "content": "Brief."}, {"role": "user", "content": [part]}]}
    assert (gateway.ask("POST", "/v1/chat/completions", own).status, marks(gateway)) == (200, 1)


@pytest.mark.parametrize("way", ["chat", "messages", "converse", "invoke"])
def test_a_client_s_mark_for_an_hour_that_has_no_price_is_one_for_the_usual_time(gateway: Gateway, way: str) -> None:
    """Coding agents send the same marks to every model. Everything else leaves as it came."""
    offer(gateway, way)
    hour = {"type": "ephemeral", "ttl": "1h"}
    said = {"type": "text", "text": "hi", "cache_control": hour}
    asked = {"model": "it", "max_tokens": 5, "messages": [{"role": "user", "content": [said]}]}
    asked |= {"system": [{"type": "text", "text": 'Say "1h".', "cache_control": hour}]}
    answer = Door(gateway, "/v1/messages").ask(asked)
    assert answer.status == 200, answer.body
    assert "cache_control.ttl" in answer.headers["x-gateway-dropped"]
    sent = json.dumps(gateway.fake.seen[-1].body)
    assert (sent.count("1h"), marks(gateway)) == (1, 0 if way == "chat" else 2)
    (row,) = gateway.rows()
    assert 0 < row["actual"] <= row["est"]


def test_a_longer_time_is_one_that_has_a_price(gateway: Gateway) -> None:
    """The prices of this model have none for an hour."""
    offer(gateway, "converse")
    answer = Door(gateway).ask(BODY | {"prompt_cache_retention": "24h"})
    assert (answer.status, marks(gateway)) == (200, 1)
    assert "1h" not in json.dumps(gateway.fake.seen[-1].body)


def test_a_word_that_is_none_is_refused(gateway: Gateway) -> None:
    wrong = gateway.post("/api/v1/admin/config", {"cacheMarks": "often"})
    assert (wrong.status, wrong.error["param"]) == (400, "cacheMarks")


@pytest.mark.parametrize("word", ["asked", "always"])
def test_a_host_that_is_asked_in_the_client_s_own_words_gets_no_marks(gateway: Gateway, word: str) -> None:
    """The gateway adds nothing to such a prompt, so cache tokens in its answer would have no price."""
    target = "acme/anthropic/claude-x"
    price = {"input": 3, "output": 15, "cached": 0.3, "cacheWrite": 3.75, "cacheWrite1h": 6}
    document = {
        "vendors": {"acme": {"baseUrl": f"{gateway.fake.url}/v1", "credential": "none"}},
        "models": {"it": {"target": target}},
        "prices": {target: price | {"maxOutputTokens": 4_096, "capabilities": ["caching"]}},
        "cacheMarks": word,
    }
    assert gateway.post("/api/v1/admin/config", document).status == 200
    gateway.restart()
    body = {"model": "it", "messages": [{"role": "user", "content": "hi " * 200}], "max_tokens": 5}
    for asked in ({"safety_identifier": ""}, {"prompt_cache_key": "k"}):  # of the same length
        reply = gateway.ask("POST", "/v1/chat/completions", body | asked)
        assert (reply.status, marks(gateway)) == (200, 0), reply.text
    plain, keyed = (row["est"] for row in gateway.rows())
    assert plain == keyed < 3_000, "none of it is held at the price of writing"
    longer = gateway.ask("POST", "/v1/chat/completions", body | {"prompt_cache_retention": "24h"})
    assert (longer.status, longer.error["param"]) == (400, "prompt_cache_retention")
