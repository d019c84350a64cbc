from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import gateway.models
from gateway.models.prices import PriceBook
from tools.models.prices import Refused, extract, place_of, price_of, render

DATA = Path(gateway.models.__file__).parent.parent / "data" / "prices.json"


@pytest.fixture(scope="module")
def data() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(DATA.read_bytes())
    return loaded


def test_known_prices() -> None:
    book = PriceBook.load()
    gpt4 = book.find("openai/gpt-4")
    assert gpt4 is not None
    assert (gpt4.input, gpt4.output, gpt4.max_output_tokens, gpt4.mode) == (30_000_000, 60_000_000, 4_096, "chat")
    assert gpt4.source.startswith("LiteLLM ")
    assert gpt4.date >= "2026-01-01"
    assert book.find("openai/gpt-4") is gpt4
    gpt5 = book.find("openai/gpt-5")
    assert gpt5 is not None
    assert (gpt5.input, gpt5.cached, gpt5.output) == (1_250_000, 125_000, 10_000_000)
    assert gpt5.for_tier("priority").input == 2_500_000
    assert {"tools", "images", "reasoning"} <= set(gpt5.capabilities)
    sonnet = book.find("bedrock/us.anthropic.claude-sonnet-4-20250514-v1:0")
    assert sonnet is not None
    assert (sonnet.cache_write, sonnet.long_above, sonnet.for_prompt(200_001).output) == (
        3_750_000,
        200_000,
        22_500_000,
    )


@pytest.mark.parametrize(
    "target", ["openai/gpt-99", "gpt-4", "", "bedrock/gpt-4", "openai/", "openai/ft:", "openai/gpt-audio"]
)
def test_an_unknown_price_is_none(target: str) -> None:
    assert PriceBook.load().find(target) is None


def test_a_fine_tuned_model_costs_what_its_base_does() -> None:
    book = PriceBook.load()
    price = book.find("openai/ft:gpt-3.5-turbo:my-org:custom:id123")
    assert price is not None
    # The same object: a client may make up any number of such names, and each would be kept.
    assert price is book.find("openai/ft:gpt-3.5-turbo")


def test_a_region_has_its_own_price() -> None:
    rows = {"source": "s", "date": "d", "models": {"bedrock/m": {"input": 2, "output": 2}}}
    rows["regional"] = {
        "eu-west-1/bedrock/m": {"input": 3, "output": 3},
        "eu-west-1/bedrock/only": {"input": 1, "output": 1},
    }
    here, elsewhere = PriceBook(rows, "eu-west-1"), PriceBook(rows, "us-east-1")
    found = [book.find("bedrock/m") for book in (here, elsewhere)]
    assert [price.input for price in found if price] == [3, 2]
    assert (list(here.targets()), list(elsewhere.targets())) == (["bedrock/m", "bedrock/only"], ["bedrock/m"])
    assert here.find("eu-west-1/bedrock/m") is None
    for book in (here, elsewhere, PriceBook(rows)):
        asked = [book.find("bedrock/m", region) for region in ("eu-west-1", "us-east-1", "eu-west-1")]
        assert [price.input for price in asked if price] == [3, 2, 3]
        assert asked[0] is asked[2], "read once"
    assert elsewhere.find("bedrock/only") is None
    assert elsewhere.find("bedrock/only", "eu-west-1") == here.find("bedrock/only")


def test_every_packaged_row_is_a_price(data: dict[str, Any]) -> None:
    book = PriceBook.load()
    offered = list(book.targets())
    assert offered == sorted(target for target in data["models"] if "/ft:" not in target)
    assert len(offered) > 400
    for target in data["models"]:
        price = book.find(target)
        assert price is not None
        assert price.input > 0
        assert price.output > 0 or price.mode == "embedding"
    for region in {name.split("/")[0] for name in data["regional"]}:
        regional = PriceBook.load(region)
        assert all(regional.find(target) for target in regional.targets())


def test_a_region_is_offered_what_it_can_name() -> None:
    rows = {"source": "s", "date": "d", "regional": {}}
    names = ("amazon.m", "us.amazon.m", "eu.amazon.m", "global.amazon.m", "amazon.bare", "us-gov.amazon.m")
    rows["models"] = {f"bedrock/{name}": {"input": 2, "output": 2} for name in names} | {
        "openai/ft:gpt-4o": {"input": 2, "output": 2},
        "openai/gpt-4o": {"input": 2, "output": 2},
    }

    def offered(region: str) -> list[str]:
        return [target.partition("/")[2] for target in PriceBook(rows, region).targets()]

    assert offered("eu-central-1") == ["amazon.bare", "eu.amazon.m", "global.amazon.m", "gpt-4o"]
    assert offered("us-east-1") == ["amazon.bare", "global.amazon.m", "us.amazon.m", "gpt-4o"]
    assert offered("us-gov-west-1") == ["amazon.bare", "us-gov.amazon.m", "gpt-4o"]
    assert offered("cn-north-1") == ["amazon.bare", "amazon.m", "gpt-4o"]
    assert offered("") == [*sorted(names), "gpt-4o"]
    # A model that is not offered has its price too: a fine-tune, or a profile of another geography.
    assert PriceBook(rows, "eu-central-1").find("openai/ft:gpt-4o:acme::id")
    assert PriceBook(rows, "eu-central-1").find("bedrock/us.amazon.m")


def test_every_number_is_whole(data: dict[str, Any]) -> None:
    def numbers(value: object) -> Iterator[object]:
        for item in value.values() if isinstance(value, dict) else ():
            yield from numbers(item) if isinstance(item, dict) else (() if isinstance(item, (str, list)) else (item,))

    found = [*numbers(data["models"]), *numbers(data["regional"])]
    assert found
    assert all(type(number) is int and number >= 0 for number in found)


def test_the_file_is_small_sorted_and_says_where_from(data: dict[str, Any]) -> None:
    text = DATA.read_text(encoding="utf-8")
    assert len(text) <= 300_000
    assert "MIT" in data["license"]
    head = {"source": data["source"], "date": data["date"]}
    assert all(head.values())
    assert render(data["models"], data["regional"]) == text


def row(**changes: Any) -> dict[str, Any]:
    plain = {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": Decimal("3e-07")}
    return {**plain, "output_cost_per_token": Decimal("1.2e-06"), **changes}


def test_a_price_is_taken_over_exactly() -> None:
    assert price_of(row()) == {"input": 300_000, "output": 1_200_000, "capabilities": ["streaming"]}
    # In binary floating point this is about 1100000.0000000002.
    assert price_of(row(input_cost_per_token=Decimal("0.0000011")))["input"] == 1_100_000


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"input_cost_per_token": Decimal("1.23456e-12")}, "no whole number"),
        ({"input_cost_per_token": Decimal("-1e-06")}, "no whole number"),
        ({"input_cost_per_token": 0}, "a price of 0"),
        ({"input_cost_per_token": None}, "no input price"),
        ({"output_cost_per_token": None}, "no output price"),
        ({"input_cost_per_audio_token": Decimal("1e-05")}, "audio"),
        ({"input_cost_per_token_above_128k_tokens": 1, "output_cost_per_token_above_128k_tokens": 1,
          "input_cost_per_token_above_256k_tokens": 2, "output_cost_per_token_above_256k_tokens": 2}, "more than one"),
    ],
)  # fmt: skip
def test_what_is_not_exact_is_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        price_of(row(**changes))
    models, regional, refused = extract({"m": row(**changes)})
    assert (models, regional, list(refused)) == ({}, {}, ["m"])


def test_rows_that_contradict_each_other_are_both_refused() -> None:
    bedrock = row(litellm_provider="bedrock")
    dearer = {**bedrock, "input_cost_per_token": Decimal("1e-06")}
    models, _, refused = extract({"a.m": bedrock, "bedrock/a.m": dearer})
    assert models == {}
    assert "/bedrock/a.m" in refused
    models, _, refused = extract({"a.m": bedrock, "bedrock/a.m": bedrock})
    assert (list(models), refused) == (["bedrock/a.m"], {})


def test_places() -> None:
    bedrock = row(litellm_provider="bedrock")
    assert place_of("bedrock/us-gov-west-1/a.m", bedrock) == ("us-gov-west-1", "bedrock/a.m")
    assert place_of("us.a.m-v1:0", bedrock) == ("", "bedrock/us.a.m-v1:0")
    for name in ("bedrock/*/1-month-commitment/a.m", "bedrock/us-east-1/1-month-commitment/a.m", "bedrock/invoke/a.m"):
        with pytest.raises(Refused, match="a kind of its own"):
            place_of(name, bedrock)
    azure = row(litellm_provider="azure")
    assert place_of("azure/eu/gpt-5.4", azure) == ("eu", "azure/gpt-5.4")
    assert place_of("azure/global/gpt-5.4", azure) == place_of("azure/gpt-5.4", azure) == ("", "azure/gpt-5.4")
    with pytest.raises(Refused, match="a kind of its own"):
        place_of("azure/low/1024-x-1024/gpt-image-1", azure)


@pytest.mark.parametrize("name", ["a.m@20251001", "claude-sonnet-4-5-20250929-v1:0", "anthropic.Claude"])
def test_what_the_api_takes_as_no_id_is_not_offered(name: str) -> None:
    """A listed model can be called: the API's own pattern of a model's id has no @."""
    with pytest.raises(Refused, match="no id"):
        place_of(name, row(litellm_provider="bedrock"))


def test_a_place_may_have_a_price_of_its_own() -> None:
    rows = {"source": "s", "date": "d", "models": {"azure/m": {"input": 2, "output": 2}}}
    book = PriceBook(rows | {"regional": {"eu/azure/m": {"input": 3, "output": 3, "ends": "2027-01-01"}}}, "us-east-1")
    found = [book.find("azure/m", place) for place in ("eu", "us", "")]
    assert [(price.input, price.ends) for price in found if price] == [(3, "2027-01-01"), (2, ""), (2, "")]


@pytest.mark.parametrize("name", ["gpt-4o-search-preview-2025-03-11", "gpt-5-search-api"])
def test_a_model_that_always_searches_is_refused_for_its_fee(name: str) -> None:
    models, regional, refused = extract({name: row()})
    assert (models, regional, list(refused)) == ({}, {}, [name])
