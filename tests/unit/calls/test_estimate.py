"""A hold is an upper bound: whatever a provider may count for a request, the estimate is at least as high."""

import json
import tracemalloc
import unicodedata
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.calls.estimate import Estimate, estimate
from gateway.errors import BadRequest
from gateway.models.money import MICRO, Price, cost_of
from gateway.models.usage import Usage

PRICE = Price(input=MICRO, output=10 * MICRO, max_input_tokens=100_000)
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 1_000_000}}

KEPT = {"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "1h"}}


def of(body: dict[str, Any], price: Price = PRICE, target: str = "openai/gpt-4", cap: int = 10, n: int = 1) -> Estimate:
    return estimate(body, price, target=target, choices=n, output_cap=cap)


def user(content: Any, **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": content, **more}]}


@given(st.text(max_size=200), st.integers(0, 300), st.integers(1, 4))
def test_no_count_within_the_bounds_costs_more(text: str, output: int, choices: int) -> None:
    normal = unicodedata.normalize("NFKC", text.encode(errors="replace").decode())
    bill = cost_of(Usage(input_tokens=len(normal.encode()), output_tokens=output * choices), PRICE)
    assert of(user(text), cap=output, n=choices).cost >= bill.total


def test_a_character_that_becomes_many_counts_as_many() -> None:
    assert of(user("\ufdfa" * 100)).prompt >= 100 * len(unicodedata.normalize("NFKC", "\ufdfa").encode())
    assert of(user("\ud800" * 100)).prompt >= 300


@pytest.mark.parametrize(
    "body",
    [
        user("x" * 100_000, type="image_url"),
        {"messages": [{"role": "assistant", "tool_calls": [{"type": "image_url", "function": {"a": "x" * 100_000}}]}]},
        user("hi") | {"tools": [{"function": {"parameters": {"type": "image_url", "description": "x" * 100_000}}}]},
        user([{"type": "image_url", "image_url": {"url": "data:", "text": "x" * 100_000}}]),
    ],
    ids=["message", "tool-call", "schema", "beside-the-data"],
)
def test_text_is_counted_though_it_calls_itself_an_image(body: dict[str, Any]) -> None:
    assert of(body).prompt >= 100_000


@pytest.mark.parametrize("beside", ["a", "\ud800", 1e-7], ids=["usual", "half-a-pair", "shorter"])
def test_a_small_number_in_a_tool_costs_no_less_than_another_of_its_length(beside: Any) -> None:
    def cost(number: float) -> int:
        tool = {"type": "function", "function": {"name": "f", "parameters": {"minimum": number}}}
        return of({**user("hi"), "tools": [tool], "metadata": {"a": beside}}).cost

    assert cost(1e-05) >= cost(12345)


ODD: list[Any] = [
    5,
    True,
    1.5,
    "x",
    {"x": 1},
    ["x"],
    [None],
    [5],
    [[]],
    [{}],
    [{"type": []}],
    [{"tool_calls": 5, "content": []}],
]


@pytest.mark.parametrize("given", ODD, ids=str)
@pytest.mark.parametrize("name", ["messages", "tools", "functions", "input", "system", "prediction", "text"])
def test_a_field_of_another_dialect_is_counted_whatever_it_is(name: str, given: Any) -> None:
    image = {"type": "input_image", "image_url": "data:image/png;base64,AAAA"}
    for body in (
        {"prompt": "hi"},
        {"input": [{"role": "user", "content": [image, {"type": "input_text", "text": "a"}]}]},
    ):
        with suppress(BadRequest):  # a part without a bound
            assert of({**body, name: given, "a": "x" * 1_000}).prompt > 1_000


@pytest.mark.parametrize("options", [["30m"], "1h", 5, True, {}])
def test_options_that_are_no_object_ask_for_no_price(options: Any) -> None:
    price = replace(PRICE, cache_write=2 * MICRO)
    assert of(user("hi") | {"prompt_cache_options": options}, price).cost > 0
    with pytest.raises(BadRequest, match="ttl"):
        of(user("hi") | {"prompt_cache_options": {"ttl": "1h"}}, price)


@pytest.mark.parametrize(
    ("target", "most"),
    [
        ("openai/gpt-4o", 1_445),
        ("openai/gpt-4o-mini", 48_169),
        ("openai/ft:gpt-4o-mini-2024-07-18:org::id", 48_169),
        ("openai/gpt-4.1-nano", 3_779),
        ("openai/gpt-5-nano", 3_779),
        ("openai/o4-mini", 2_642),
        ("openai/gpt-5.4-nano", 24_600),
        ("bedrock/us.anthropic.claude-3-7-sonnet-20250219-v1:0", 1_600),
        ("bedrock/anthropic.claude-opus-4-7", 4_784),
        ("bedrock/meta.llama3-2-90b-instruct-v1:0", 6_404),
        ("bedrock/qwen.qwen3-vl-235b-a22b", 16_384),
    ],
)
def test_an_image_counts_as_the_largest_of_its_model(target: str, most: int) -> None:
    one, two = (of(user([IMAGE] * number), target=target).prompt for number in (1, 2))
    assert most <= two - one < most * 20
    assert of(user([IMAGE]), target=target).prompt < 60_000  # not by the bytes of its data


def test_tools_and_a_schema_bring_a_text_of_their_own() -> None:
    plain = of(user("hi"))
    for more in (
        {"tools": [{"type": "function", "function": {"name": "a"}}]},
        {"functions": [{"name": "a"}]},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {}}}},
    ):
        assert of(user("hi") | more).prompt - plain.prompt >= 935
    assert plain.prompt >= 70  # "hi" to gpt-oss


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (user([{"type": "file", "file": {"file_id": "file-1"}}]), "messages[0].content[0]"),
        (user([{"type": "text", "text": "a"}, {"type": "video_url", "video_url": {}}]), "messages[0].content[1]"),
        ({"messages": [{"role": "assistant", "audio": {"id": "audio_1"}}]}, "messages[0].audio"),
    ],
)
def test_what_the_body_only_names_counts_as_all_the_model_can_read(body: dict[str, Any], param: str) -> None:
    assert of(body).prompt == 100_000
    with pytest.raises(BadRequest) as refused:
        of(body, Price(input=MICRO, output=MICRO))
    assert refused.value.param == param


@pytest.mark.parametrize("url", ["data:application/pdf;base64,AAAA", " DATA: video/mp4;base64,AAAA", "data:;base64,AA"])
@pytest.mark.parametrize("kind", ["image_url", "input_image"])
def test_what_is_no_image_counts_as_all_the_model_can_read(kind: str, url: str) -> None:
    for image in ({"url": url}, url):
        body = user([{"type": kind, "image_url": image}])
        assert of(body, target="host/gemini").prompt == PRICE.max_input_tokens
        with pytest.raises(BadRequest):
            of(body, Price(input=MICRO, output=MICRO), "host/gemini")
    held = of(user([{"type": kind, "image_url": {"url": "data:image/png;base64,AAAA"}}]), target="host/gemini").prompt
    assert held < 30_000


def test_a_prediction_may_be_billed_beside_the_answer() -> None:
    predicted = {"type": "content", "content": "word " * 1_000}
    more = of(user("hi") | {"prediction": predicted}).cost - of(user("hi")).cost
    assert more >= 5_000 * 10


def test_the_dearest_way_to_read_a_prompt_is_held_and_a_long_one_s_price() -> None:
    price = Price(input=1, output=0, cache_write=2 * MICRO, cache_write_1h=3 * MICRO)
    assert of(user("x" * 1_000), price).cost >= 3_000
    long = Price(input=MICRO, output=0, long_above=500, long=Price(input=5 * MICRO, output=0))
    assert of(user("x" * 1_000), long).cost >= 5_000


def test_the_token_rate_counts_a_quarter_of_the_bytes_and_the_cap() -> None:
    assert of(user("x" * 4_000), cap=100, n=2).tokens - of(user(""), cap=100, n=2).tokens == 1_000
    assert of(user(""), cap=100, n=2).tokens >= 200


def test_the_service_tier_that_may_answer_is_held() -> None:
    tiers = {"priority": Price(input=2 * MICRO, output=20 * MICRO), "flex": Price(input=MICRO // 2, output=5 * MICRO)}
    price = Price(input=MICRO, output=10 * MICRO, tiers=tiers)

    def cost(tier: str | None) -> int:
        return of(user("hi") | {"service_tier": tier}, price, cap=100_000).cost // 10_000  # the output's part

    asked = (None, "default", "flex", "priority", "fast", "auto")
    assert [cost(tier) for tier in asked] == [100, 100, 100, 200, 200, 200]


@pytest.mark.parametrize("tier", ["priority", "fast", "scale", "", 5, ["flex"]])
def test_a_service_tier_without_a_price_is_refused(tier: Any) -> None:
    with pytest.raises(BadRequest) as refused:
        of(user("hi") | {"service_tier": tier}, Price(input=1, output=1, tiers={"flex": PRICE}))
    assert (refused.value.param, refused.value.code) == ("service_tier", "model_not_priced")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (user("hi") | {"prompt_cache_retention": "24h"}, "prompt_cache_retention"),
        (user("hi") | {"prompt_cache_options": {"ttl": "24h"}}, "prompt_cache_options.ttl"),
        (
            user([{"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]),
            "messages[0].content[0].cache_control.ttl",
        ),
    ],
)
def test_what_no_price_says_is_refused(body: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequest) as refused:
        of(body, Price(input=1, output=1, cache_write=2))
    assert refused.value.param == param


def test_what_a_price_says_passes() -> None:
    of(user([KEPT]), Price(input=1, output=1, cache_write=2, cache_write_1h=3))
    of(user("hi") | {"prompt_cache_retention": "24h", "tools": [{"type": "custom"}]})


@pytest.mark.parametrize("ttl", [[1], {"a": 1}, 5, "2h", True])
def test_a_mark_for_a_time_that_is_none_is_held_at_the_dearest(ttl: Any) -> None:
    price = Price(input=MICRO, output=0, cache_write=2 * MICRO, cache_write_1h=3 * MICRO)
    told = of(user([{**KEPT, "cache_control": {"ttl": ttl}}]), price, "bedrock/anthropic.claude-x")
    assert told.cost >= 3 * told.prompt


def test_what_stands_below_a_long_name_takes_no_memory() -> None:
    """A body of 1 MB once took 1 GB for every thousand values below such a name."""
    schema = {"a" * 1_000_000: [*[1] * 1_000, {}, {"cache_control": {"ttl": "1h"}}]}
    body = user("hi") | {"tools": [{"type": "function", "function": {"name": "f", "parameters": schema}}]}
    size = len(json.dumps(body))
    tracemalloc.start()
    try:
        with pytest.raises(BadRequest) as refused:
            of(body)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 10 * size  # orjson reserves eight bytes for each one of a text
    assert refused.value.param is not None
    assert len(refused.value.param) <= 128
