"""The upper bound for bodies of Messages: never below a correct bill, and not higher than necessary."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings

from gateway.calls.estimate import Estimate, estimate
from gateway.dialects.chat.sending import write_for_host
from gateway.dialects.converse.request import write_request as write_converse
from gateway.dialects.messages.reading import read_request
from gateway.dialects.messages.request import write_request
from gateway.dialects.neutral import Request
from gateway.errors import BadRequest
from gateway.models.images import image_tokens
from gateway.models.money import MICRO, Price, cost_of
from gateway.models.usage import Usage
from tests.unit.dialects.test_messages_there_and_back import _sayable
from tests.unit.dialects.test_there_and_back import requests
from tests.unit.dialects.test_work import words

WINDOW = 200_000
PRICE = Price(
    input=3 * MICRO,
    output=15 * MICRO,
    cached=MICRO,
    cache_write=4 * MICRO,
    cache_write_1h=6 * MICRO,
    max_input_tokens=WINDOW,
)
TARGET = "anthropic/claude-opus-4-7"
PIXELS = "A" * 40_000


def held(body: dict[str, Any], price: Price = PRICE, target: str = TARGET) -> Estimate:
    return estimate(body, price, target=target, choices=1, output_cap=10)


def asks(*blocks: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"max_tokens": 10, "messages": [{"role": "user", "content": list(blocks)}], **fields}


def text(words: str = "hi", **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **more}


def image(**source: Any) -> dict[str, Any]:
    return {"type": "image", "source": source}


PICTURE = image(type="base64", media_type="image/png", data=PIXELS)
BESIDE = {"type": "tool_result", "tool_use_id": "t", "content": [text(), PICTURE]}
WITHIN = {"type": "document", "source": {"type": "content", "content": [PICTURE]}}


@pytest.mark.parametrize("part", [PICTURE, BESIDE, WITHIN, image(type="url", url="https://example.com/a.png")])
def test_an_image_counts_as_one_wherever_it_stands(part: dict[str, Any]) -> None:
    found = held(asks(part))
    assert image_tokens(TARGET) < found.prompt < image_tokens(TARGET) + 1_000


@pytest.mark.parametrize(
    "part",
    [
        image(type="base64", media_type="application/pdf", data=PIXELS),
        image(type="base64", media_type="image/png", data=[PIXELS]),
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PIXELS}},
        {"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}},
        {"type": "document", "source": {"type": "text", "data": "a"}, "citations": {"enabled": True}},
        {"type": "web_search_tool_result", "tool_use_id": "t", "content": []},
        {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "document", "source": {"type": "url"}}]},
        {"type": "newer"},
    ],
)
def test_what_the_body_does_not_hold_counts_as_all_the_model_can_read(part: dict[str, Any]) -> None:
    assert held(asks(part)).prompt == WINDOW
    with pytest.raises(BadRequest) as refused:
        held(asks(part), Price(input=MICRO, output=MICRO))
    assert (refused.value.param or "").startswith("messages[0].content[0]")


@pytest.mark.parametrize(
    "part",
    [
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "w" * 5_000}},
        {"type": "document", "source": {"type": "content", "content": [text("w" * 5_000)]}},
        {"type": "search_result", "source": "s", "title": "t", "content": [text("w" * 5_000)]},
        {"type": "thinking", "thinking": "", "signature": "w" * 5_000},
        {"type": "redacted_thinking", "data": "w" * 5_000},
        {"type": "tool_use", "id": "t", "name": "f", "input": {"w": "w" * 5_000}},
    ],
)
def test_what_it_holds_counts_by_its_bytes(part: dict[str, Any]) -> None:
    assert 5_000 < held(asks(part)).prompt < 6_000
    assert 5_000 < held(asks(text(), system=[text("w" * 5_000)])).prompt < 6_000


@pytest.mark.parametrize(
    ("body", "write"),
    [
        (asks(text()), 3),
        (asks(text(cache_control={"type": "ephemeral"})), 4),
        (asks(text(), system=[text(cache_control={"type": "ephemeral", "ttl": "1h"})]), 6),
        (asks(text(), cache_control={"type": "ephemeral", "ttl": "1h"}), 6),
        (asks(text(), tools=[{"name": "f", "cache_control": {"type": "ephemeral"}}]), 4),
        (asks({**BESIDE, "content": [text(cache_control={"type": "ephemeral", "ttl": "1h"})]}), 6),
    ],
)
@pytest.mark.parametrize("target", [TARGET, "bedrock/anthropic.claude-opus-4-7"])
def test_a_mark_is_held_by_its_time(body: dict[str, Any], write: int, target: str) -> None:
    found = held(body, target=target)
    assert found.cost == found.prompt * write + 10 * 15 + 1


def test_a_mark_for_an_hour_without_its_price_is_refused() -> None:
    marked = asks(text(cache_control={"type": "ephemeral", "ttl": "1h"}))
    with pytest.raises(BadRequest) as refused:
        held(marked, Price(input=MICRO, output=MICRO, cache_write=MICRO))
    assert refused.value.param == "messages[0].content[0].cache_control.ttl"


def test_tools_that_the_body_does_not_describe() -> None:
    plain = held(asks(text(), tools=[{"name": "f", "input_schema": {"type": "object"}}])).prompt
    known = held(asks(text(), tools=[{"type": "bash_20250124", "name": "bash"}])).prompt
    assert plain + 1_500 < known < 10_000
    assert held(asks(text(), tools=[{"type": "memory_20250818", "name": "memory"}])).prompt == WINDOW


@pytest.mark.parametrize("tier", [None, "auto", "standard_only"])
def test_its_service_tiers_are_known(tier: str | None) -> None:
    assert held(asks(text(), service_tier=tier)).prompt < 500


def test_a_schema_brings_a_text_of_its_own() -> None:
    schema = {"format": {"type": "json_schema", "schema": {}}}
    assert held(asks(text(), output_config=schema)).prompt > held(asks(text())).prompt + 1_000
    assert held(asks(text(), output_config="x")).prompt < 500


@settings(deadline=None)
@given(requests())
def test_no_translation_says_more_than_is_held(request: Request) -> None:
    """A token has at least one byte. So everything that any target receives is within the bound, however it is
    billed."""
    body = json.loads(json.dumps(write_request(_sayable(request), []).body))
    most = Price(input=MICRO, output=MICRO)
    pictures = sum(part["type"] == "image" for message in body["messages"] for part in _all(message["content"]))
    try:
        bound = held(body, most).prompt - pictures * image_tokens(TARGET)
    except BadRequest:  # a document that is not text
        return
    read, dropped = read_request(body, cap=10)
    for sent in (body, write_converse(read, dropped, metadata={}, one_tool=True).body, write_for_host(read, []).body):
        assert sum(len(word.encode()) for word in words(_without(sent))) <= bound
    usage = Usage(input_tokens=bound, output_tokens=10)
    assert cost_of(usage, most).total <= held(body, most).cost


def _all(content: list[Any]) -> list[Any]:
    return [part for block in content for part in (block, *(block.get("content") or ()))]


def _without(value: Any) -> Any:
    """Without images, which are counted separately."""
    if isinstance(value, dict):
        return {name: _without(each) for name, each in value.items() if name not in ("image", "image_url", "source")}
    return [_without(each) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    "part",
    [
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "AAAA"}},
        {"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}},
        {"type": "made_tomorrow", "text": "x"},
    ],
)
def test_what_the_body_does_not_hold_is_held_by_the_window_in_the_system_text_too(part: dict[str, Any]) -> None:
    assert held(asks(text(), system=[text()])).prompt < 1_000
    assert held(asks(text(), system=[text(), part])).prompt == WINDOW
    assert held(asks(text(), system=[PICTURE])).prompt >= image_tokens(TARGET)
