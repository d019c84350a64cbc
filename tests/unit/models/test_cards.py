"""The packaged catalogue: each alias is a model that answers, by an id that the price file lists for that vendor."""

from __future__ import annotations

import json
import re
from datetime import date
from typing import Any

import pytest

from gateway.config.document import parse_config
from gateway.config.service import defaults
from gateway.errors import NotFound
from gateway.models.cards import Card, Cards
from gateway.models.geographies import geography_of, reach
from gateway.models.model_names import WARNED_DAYS, ModelNames, Route
from gateway.models.prices import PriceBook
from tests.unit.models.price_file import ROWS
from tools.local.emulator import ROOT
from tools.models import cards as made
from tools.models.source import TAKEN, kept

COMMERCIAL = (
    *("us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "ca-west-1", "mx-central-1", "sa-east-1"),
    *("eu-central-1", "eu-central-2", "eu-north-1", "eu-south-1", "eu-south-2", "eu-west-1", "eu-west-2", "eu-west-3"),
    *("ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-south-2", "ap-southeast-1"),
    *("ap-southeast-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5", "ap-east-2", "me-south-1"),
    *("me-central-1", "il-central-1", "af-south-1"),
)
GOV = ("us-gov-west-1", "us-gov-east-1")
ORDERS = (("openai", "bedrock"), ("bedrock", "openai"), ("bedrock",))
ALIASES: dict[str, Any] = dict(defaults()["models"])
FAMILIES = ("claude-opus", "claude-sonnet", "claude-haiku", "gpt", "gpt-mini", "nova-lite", "nova-pro")
ORIGINAL = ("gpt-4", "gpt-3.5-turbo", "claude-3-sonnet", "claude-3-haiku", "claude-3-5-sonnet")
EXACT = ("claude-sonnet-4-5-20250929", "claude-opus-4-6", "claude-haiku-4-5-20251001", "claude-opus-5-5", "gpt-6.1-sol")


def names(region: str, providers: tuple[str, ...], today: str = TAKEN) -> ModelNames:
    return ModelNames(parse_config(defaults()), PriceBook.load(region), providers, region, today)


def in_price_file(route: Route, region: str) -> bool:
    """Whether the price file has a row of exactly this id, under one of the names that it has for a vendor."""
    spelled = (route.model, f"{route.provider}/{route.model}", f"{route.provider}/{region}/{route.model}")
    return any(name in ROWS for name in spelled)


@pytest.mark.parametrize("providers", ORDERS)
@pytest.mark.parametrize("region", [*COMMERCIAL, *GOV])
def test_an_alias_is_an_id_that_the_price_file_lists_there(region: str, providers: tuple[str, ...]) -> None:
    """By a profile that the region can name. The region refuses the bare id of a model that has profiles."""
    found = names(region, providers)
    for alias in ALIASES:
        route = found.found(alias)
        if route is None:
            continue
        assert route.provider in providers
        assert in_price_file(route, region), (alias, route.target)
        card = found.cards.of(route.target)
        profiles = [model for model in (card.at.get("bedrock", ()) if card else ()) if geography_of(model)]
        if route.provider == "bedrock" and profiles and f"bedrock/{region}/{route.model}" not in ROWS:
            assert geography_of(route.model) in reach(region), (alias, route.target)
        assert route.price.input > 0
        assert not route.price.ends or route.price.ends > TAKEN


@pytest.mark.parametrize("region", ["us-east-1", "us-west-2", "eu-central-1", "eu-west-1", "eu-north-1"])
def test_every_alias_answers_in_the_regions_that_most_use(region: str) -> None:
    assert {route.name for route in names(region, ORDERS[0]).routes(everything=False)} == set(ALIASES)


@pytest.mark.parametrize("region", [*COMMERCIAL, *GOV])
def test_families_and_the_original_s_names_answer_in_every_region(region: str) -> None:
    present = {route.name for route in names(region, ORDERS[0]).routes(everything=False)}
    missing = {*FAMILIES, *ORIGINAL} - present
    # Nova has no profile that these can name, except that of the newest Lite.
    assert missing <= ({"nova-pro", "nova-lite"} if region in GOV else {"nova-pro"})
    if region.startswith(("us-e", "us-w", "eu-", "ap-", "ca-")):
        assert not missing
        # A call does not leave the geography unless it is asked to.
        assert geography_of(names(region, ORDERS[0]).resolve("claude-sonnet").model) != "global"


def test_the_names_that_clients_send_are_there() -> None:
    assert {*FAMILIES, *ORIGINAL, *EXACT} <= set(ALIASES)
    assert {name for name in ALIASES if re.search(r"-20\d{6}$", name)}, "with dates too"


def test_an_alias_names_cards_and_the_exact_name_of_a_model_is_that_model() -> None:
    cards = Cards.load()
    for alias, said in ALIASES.items():
        assert set(said) == {"models"}
        found = [cards.named(name) for name in said["models"]]
        assert all(found), alias
        assert [card.name for card in found if card] == said["models"]
        exact = cards.named(alias)
        if exact is not None and _living(exact) and alias not in FAMILIES:
            assert said["models"][0] == exact.name, alias


def _living(card: Card) -> bool:
    book = PriceBook.load()
    found = [book.find(f"{vendor}/{model}") for vendor, ids in card.at.items() for model in ids if vendor != "azure"]
    return any(price and (not price.ends or price.ends > TAKEN) for price in found)


def test_a_bedrock_only_deployment_has_gpt_and_an_openai_only_one_has_no_claude() -> None:
    assert names("us-east-1", ("bedrock",)).resolve("gpt").target == "bedrock/us.openai.gpt-5.4"
    assert names("us-east-1", ("openai",)).resolve("gpt").target == "openai/gpt-5.4"
    with pytest.raises(NotFound) as refused:
        names("us-east-1", ("openai",)).resolve("claude-opus")
    assert refused.value.code == "model_not_found"


def test_cards_are_made_of_the_prices_and_of_what_is_kept() -> None:
    """As `make prices` writes them. Prices come from the pinned release, which is not downloaded here."""
    data, by_hand = ROOT / "shared" / "gateway" / "data", kept()
    prices = json.loads((data / "prices.json").read_bytes())
    models = prices["models"]
    named = made.names({*models, *(name.partition("/")[2] for name in prices["regional"])}, by_hand)
    assert made.with_ends(models, named, by_hand) == models
    again = made.cards_of(models, {target: card for target, card in named.items() if target in models}, by_hand)
    assert made.render(again, by_hand) == (data / "models.json").read_text(encoding="utf-8")


def test_a_card_is_found_by_each_of_its_ids() -> None:
    cards, priced = Cards.load(), set(PriceBook.load().targets())
    ids = {f"{vendor}/{model}" for card in cards.all() for vendor, found in card.at.items() for model in found}
    assert ids == priced
    for card in cards.all():
        assert cards.named(card.name) == card
        for vendor, found in card.at.items():
            assert all(cards.of(f"{vendor}/{model}") == card for model in found)
    sonnet = cards.named("claude-sonnet-4-5-20250929")
    assert sonnet is not None
    assert (sonnet.name, sonnet.family, sonnet.created) == ("claude-sonnet-4-5", "claude-sonnet", "2025-09-29")
    assert {geography_of(model) for model in sonnet.at["bedrock"]} >= {"us", "eu", "jp", "au", "global", "us-gov", None}
    assert cards.of("bedrock/nobody") is cards.named("nobody") is None


def test_versions_are_models_of_their_own_where_there_are_several() -> None:
    cards = Cards.load()
    several = {card.name for card in cards.all() if card.name.startswith("gpt-4o-20")}
    assert several == {"gpt-4o-2024-05-13", "gpt-4o-2024-08-06", "gpt-4o-2024-11-20"}
    only = cards.named("gpt-5-2025-08-07")
    assert only is not None
    assert only.name == "gpt-5"


def test_what_is_kept_by_hand_is_of_models_that_there_are() -> None:
    by_hand, cards = kept(), {card.name: card for card in Cards.load().all()}
    book = PriceBook.load()
    for vendor, ends in by_hand["ends"].items():
        assert vendor in by_hand["sources"]
        for card, day in ends.items():
            assert vendor in cards[card].at, (vendor, card)
            assert day is None or date.fromisoformat(day)
    assert set(by_hand["successors"]) <= set(cards)
    assert {card.family for card in cards.values()} >= set(by_hand["current"]) - {"gpt-codex"}
    for card in cards.values():
        found = [book.find(f"{vendor}/{model}") for vendor, ids in card.at.items() for model in ids]
        ending = any(price.ends for price in found if price)
        assert not card.successor or ending, card.name
        if card.successor:
            after = cards[card.successor]
            living = [book.find(f"{vendor}/{model}") for vendor, ids in after.at.items() for model in ids]
            assert any(price and (not price.ends or price.ends > TAKEN) for price in living), card.name


def test_no_alias_is_about_to_end_but_exact_names() -> None:
    found = names("us-east-1", ("openai", "bedrock"))
    near = {alias for alias in ALIASES if found.resolve(alias).ending}
    assert not near & {*FAMILIES, *ORIGINAL}
    assert all(found.resolve(alias).successor for alias in near)
    assert WARNED_DAYS == 60
    assert {"gpt-4o", "gpt-5", "claude-opus-4-1"} <= near
