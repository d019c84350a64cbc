"""Models in the config: aliases by target and by card, the fields of an entry, and the facts that are reported as
missing."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.config.admin import ConfigAdmin
from gateway.config.document import parse_config
from gateway.errors import BadRequest
from gateway.models.model_names import ModelNames
from gateway.models.prices import PriceBook
from tests.unit.config.test_config import MemoryConfig, change

HOST = {"baseUrl": "https://models.example.com/v1", "credential": "none"}
SAID = {
    "input": 1.0,
    "output": 2.0,
    "maxInputTokens": 1_000,
    "maxOutputTokens": 100,
    "capabilities": ["tools", "streaming"],
    "ends": "2027-05-01",
    "successor": "gpt-mini",
}


@pytest.fixture
def admin() -> ConfigAdmin:
    return ConfigAdmin(MemoryConfig(), PriceBook.load("eu-central-1"), ("openai", "bedrock"), "eu-central-1")


def test_an_alias_stands_for_models_or_for_a_target(admin: ConfigAdmin) -> None:
    models = {"opus": {"models": ["claude-opus-5-5", "claude-opus-4-8"]}, "mine": {"target": "openai/gpt-6-luna"}}
    _, document = change(admin, {"models": models})
    assert {name: document["models"][name] for name in models} == models
    names = ModelNames(parse_config(document), admin.prices, admin.providers, admin.region)
    assert names.resolve("opus").target == "bedrock/eu.anthropic.claude-opus-5-5"
    assert names.resolve("mine").target == "openai/gpt-6-luna"
    # A target wins over the models that a packaged alias has.
    _, document = change(admin, {"models": {"gpt-4": {"target": "openai/gpt-6-luna"}}})
    names = ModelNames(parse_config(document), admin.prices, admin.providers, admin.region)
    assert names.resolve("gpt-4").target == "openai/gpt-6-luna"
    _, document = change(admin, {"models": {"gpt-4": {"target": None}}})
    assert document["models"]["gpt-4"] == {"models": ["gpt-5.4"]}


@pytest.mark.parametrize(
    ("patch", "param"),
    [
        ({"models": {"x": {}}}, "models.x"),
        ({"models": {"x": {"models": []}}}, "models.x"),
        ({"models": {"x": {"target": "bedrock/openai.gpt-6-sol"}}}, "models.x.target"),
        ({"models": {"x": {"models": ["nobody"]}}}, "models.x.models[0]"),
        ({"models": {"x": {"models": ["gpt-6-sol", "openai/gpt-6-sol"]}}}, "models.x.models[1]"),
        ({"models": {"x": {"models": ["gpt-6-sol"], "endpoint": "chat"}}}, "models.x.endpoint"),
        ({"models": {"x": {"models": ["gpt-6-sol"] * 9}}}, "models.x.models"),
        ({"prices": {"openai/x": SAID | {"ends": "soon"}}}, "prices.openai/x.ends"),
        ({"prices": {"openai/x": SAID | {"capabilities": ["magic"]}}}, "prices.openai/x.capabilities[0]"),
        ({"vendors": {"mine": HOST | {"geography": "mars"}}}, "vendors.mine.geography"),
        ({"vendors": {"mine": HOST | {"geography": "global"}}}, "vendors.mine.geography"),
        ({"residency": "-"}, "residency"),
        ({"prices": {"openai/x": SAID | {"successor": "openai/x"}}}, "prices.openai/x.successor"),
        (
            {"models": {"x": {"target": "openai/x"}}, "prices": {"openai/x": SAID | {"successor": "x"}}},
            "prices.openai/x.successor",
        ),
    ],
)
def test_what_is_wrong_is_named(admin: ConfigAdmin, patch: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequest) as refused:
        change(admin, patch)
    assert refused.value.param == param
    assert refused.value.message.startswith(param)


def test_a_model_is_added_whole_in_one_change(admin: ConfigAdmin) -> None:
    patch = {
        "vendors": {"mine": HOST | {"geography": "eu"}},
        "models": {"small": {"target": "mine/small"}},
        "prices": {"mine/small": SAID},
    }
    _, document = change(admin, patch)
    assert admin.missing(document) == []
    names = ModelNames(parse_config(document), admin.prices, admin.providers, admin.region, "2027-04-01")
    route = names.resolve("small", "eu")
    assert (route.target, route.ending, route.successor) == ("mine/small", "2027-05-01", "gpt-mini")
    assert (route.price.max_input_tokens, route.price.max_output_tokens) == (1_000, 100)
    assert route.price.capabilities == ("streaming", "tools")


def test_an_admin_is_told_what_is_missing(admin: ConfigAdmin) -> None:
    patch = {
        "vendors": {"mine": HOST},
        "models": {"small": {"target": "mine/small"}, "known": {"target": "openai/gpt-6-luna"}},
        "prices": {"mine/small": {"input": 1.0, "output": 2.0}, "openai/gpt-6-sol": {"input": 1.0, "output": 2.0}},
    }
    _, document = change(admin, patch)
    fields = ("maxInputTokens", "maxOutputTokens", "capabilities")
    told = admin.missing(document)
    assert [each["param"] for each in told] == [f"prices.mine/small.{field}" for field in fields]
    assert all("unknown" in each["message"] for each in told)
    # There is no model without a price: it is refused, with its path.
    with pytest.raises(BadRequest, match="no price is known"):
        change(admin, {"models": {"dear": {"target": "mine/dear"}}})


def test_a_successor_that_nobody_can_ask_for_is_told(admin: ConfigAdmin) -> None:
    _, document = change(admin, {"prices": {"openai/gpt-6-luna": SAID | {"successor": "nobody"}}})
    assert [each["param"] for each in admin.missing(document)] == ["prices.openai/gpt-6-luna.successor"]


def test_models_beside_a_target_that_goes_before_them_are_refused(admin: ConfigAdmin) -> None:
    change(admin, {"models": {"mine": {"target": "openai/gpt-6-luna"}}})
    wanted = {"models": ["claude-opus-5-5"]}
    with pytest.raises(BadRequest, match='"target": null') as refused:
        change(admin, {"models": {"mine": wanted}})
    assert refused.value.param == "models.mine.models"
    _, document = change(admin, {"models": {"mine": wanted | {"target": None}}})
    assert document["models"]["mine"] == wanted
    both = wanted | {"target": "openai/gpt-6-luna"}  # it is in the form in which it is read, so it may be sent back
    _, document = change(admin, {"models": {"mine": both}})
    assert change(admin, {"models": document["models"]})[1]["models"]["mine"] == both


@pytest.mark.parametrize(("provider", "said"), [("anthropic", "GATEWAY_PROVIDERS"), ("my-host", "under vendors")])
def test_a_provider_that_is_not_there_is_told_how_to_come_by(admin: ConfigAdmin, provider: str, said: str) -> None:
    with pytest.raises(BadRequest, match=said):
        change(admin, {"models": {"next": {"target": f"{provider}/next"}}, "prices": {}})


def test_a_price_of_one_s_own_keeps_what_the_list_knows_beside_money(admin: ConfigAdmin) -> None:
    _, document = change(admin, {"prices": {"openai/gpt-6-luna": {"input": 1.0, "output": 2.0}}})
    names = ModelNames(parse_config(document), admin.prices, admin.providers, admin.region)
    own, listed = names.price("openai/gpt-6-luna"), admin.prices.find("openai/gpt-6-luna")
    assert own is not None
    assert listed is not None
    assert (own.input, own.cached, own.source) == (1_000_000, None, "config")
    assert (own.max_input_tokens, own.max_output_tokens) == (listed.max_input_tokens, listed.max_output_tokens)
    assert own.capabilities == listed.capabilities
