"""Providers of the config: an entry, its models and its prices make a host complete; a mistake is named with its
path."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.config.admin import ConfigAdmin
from gateway.config.document import parse_config
from gateway.destinations import Destinations
from gateway.errors import BadRequest, NotFound
from gateway.models.model_names import ModelNames
from gateway.models.prices import PriceBook
from gateway.models.vendors import known_hosts
from tests.unit.config.test_config import MemoryConfig, change
from tests.unit.models.offered import offered

GROQ = {"baseUrl": "https://api.groq.com/openai/v1", "secret": "groq"}
TARGET = "groq/meta-llama/llama-3.3-70b"
WHOLE: dict[str, Any] = {
    "vendors": {"groq": GROQ},
    "models": {"llama": {"target": TARGET}},
    "prices": {TARGET: {"input": 0.59, "output": 0.79, "maxInputTokens": 131_072}},
}


def admin_of(*providers: str, destinations: Destinations | None = None) -> ConfigAdmin:
    place = destinations or Destinations()
    return ConfigAdmin(MemoryConfig(), PriceBook.load(), providers or ("openai", "bedrock"), destinations=place)


def model_names(document: dict[str, Any]) -> ModelNames:
    return ModelNames(parse_config(document), PriceBook.load(), ("openai", "bedrock"))


def refused(admin: ConfigAdmin, patch: dict[str, Any]) -> BadRequest:
    version = admin.effective()[0]
    with pytest.raises(BadRequest) as caught:
        change(admin, patch)
    assert admin.effective()[0] == version
    assert caught.value.message.startswith(f"{caught.value.param}: ")
    return caught.value


def test_an_entry_a_model_and_a_price_are_a_provider() -> None:
    _, document = change(admin_of(), WHOLE)
    entry = document["vendors"]["groq"]
    assert entry == GROQ | {"credential": "key", "caps": [], "serviceTier": None, "passFields": [], "geography": None}
    found = model_names(document)
    for name in ("llama", TARGET, "meta-llama/llama-3.3-70b"):
        route = found.resolve(name)
        assert (route.target, route.provider, route.model) == (TARGET, "groq", "meta-llama/llama-3.3-70b")
        assert (route.price.input, route.price.output, route.price.max_input_tokens) == (590_000, 790_000, 131_072)
        assert offered(found)[route.name if name != "meta-llama/llama-3.3-70b" else "llama"] == TARGET
    vendor = parse_config(document).providers["groq"]
    assert (vendor.base_url, vendor.secret) == (GROQ["baseUrl"], "groq")


def test_peculiarities_are_said_in_the_entry() -> None:
    said = {"caps": ["max_tokens"], "serviceTier": "on_demand", "passFields": ["top_k", "tools.strict"]}
    _, document = change(admin_of(), WHOLE | {"vendors": {"groq": GROQ | said}})
    quirks = parse_config(document).providers["groq"].quirks
    assert (quirks.caps, quirks.service_tier, quirks.pass_fields) == (
        ("max_tokens",),
        "on_demand",
        ("top_k", "tools.strict"),
    )
    assert quirks.passes_all is False


@pytest.mark.parametrize(
    ("entry", "param"),
    [
        (GROQ | {"baseUrl": "http://api.groq.com/v1"}, "vendors.groq.baseUrl"),
        (GROQ | {"baseUrl": "https://169.254.169.254/v1"}, "vendors.groq.baseUrl"),
        (GROQ | {"baseUrl": "https://127.0.0.1:9001/2018-06-01"}, "vendors.groq.baseUrl"),
        (GROQ | {"baseUrl": "https://key@api.groq.com/v1"}, "vendors.groq.baseUrl"),
        (GROQ | {"baseUrl": "https://api.groq.com/v1?x=1"}, "vendors.groq.baseUrl"),
        (GROQ | {"baseUrl": "https://api.groq.com/openai/v1/chat/completions"}, "vendors.groq.baseUrl"),
        (GROQ | {"baseUrl": "https://api.groq.com/openai/v1/Chat/Completions/"}, "vendors.groq.baseUrl"),
        (GROQ | {"baseUrl": "https://" + "a" * 300}, "vendors.groq.baseUrl"),
        (GROQ | {"baseUrl": 5}, "vendors.groq.baseUrl"),
        (GROQ | {"secret": "../openai"}, "vendors.groq.secret"),
        (GROQ | {"secret": "ai-gateway-prod/openai"}, "vendors.groq.secret"),
        (GROQ | {"secret": "arn:aws:secretsmanager:eu-west-1:1:secret:x"}, "vendors.groq.secret"),
        (GROQ | {"secret": ""}, "vendors.groq.secret"),
        (GROQ | {"secret": "s\n"}, "vendors.groq.secret"),
        (GROQ | {"credential": "none"}, "vendors.groq.secret"),
        (GROQ | {"credential": "aws"}, "vendors.groq.credential"),
        (GROQ | {"caps": ["max_length"]}, "vendors.groq.caps[0]"),
        (GROQ | {"passFields": ["a b"]}, "vendors.groq.passFields[0]"),
        (GROQ | {"passesAll": True}, "vendors.groq.passesAll"),
        (GROQ | {"kind": "bedrock"}, "vendors.groq.kind"),
    ],
)
def test_a_wrong_entry_is_refused_by_its_path(entry: dict[str, Any], param: str) -> None:
    assert refused(admin_of(), WHOLE | {"vendors": {"groq": entry}}).param == param


@pytest.mark.parametrize("name", ["", "Groq", "groq.com", "a/b", "-x", "1st", "x" * 32, "openai\n"])
def test_a_wrong_name_is_refused(name: str) -> None:
    assert (refused(admin_of(), {"vendors": {name: GROQ}}).param or "").startswith("vendors")


@pytest.mark.parametrize("name", ["openai", "bedrock"])
def test_a_packaged_provider_s_name_is_taken(name: str) -> None:
    assert refused(admin_of("openai"), {"vendors": {name: GROQ}}).param == f"vendors.{name}"


def test_what_is_missing_is_named() -> None:
    without = {part: {name: value for name, value in WHOLE.items() if name != part} for part in WHOLE}
    unknown = refused(admin_of(), without["vendors"])
    assert (unknown.param, "no provider groq" in unknown.message) == (f"prices.{TARGET}", True)
    unpriced = refused(admin_of(), without["prices"])
    assert (unpriced.param, unpriced.code) == ("models.llama.target", "model_not_priced")
    change(admin_of(), without["models"])  # a model with a price can be asked for by its own name
    assert refused(admin_of(), {"models": {"x": {"target": "elsewhere/x"}}}).param == "models.x.target"
    assert refused(admin_of(), {"models": {"x": {"target": "x"}}}).param == "models.x.target"
    assert refused(admin_of(), {"models": {"x": {"target": "groq/" + "m" * 124}}}).param == "models.x.target"


def test_a_provider_that_models_or_prices_name_is_not_removed_alone() -> None:
    admin = admin_of()
    change(admin, WHOLE)
    gone = {"vendors": {"groq": None}}
    assert refused(admin, gone).param == f"prices.{TARGET}"
    assert refused(admin, gone | {"prices": {TARGET: None}}).param == "models.llama.target"
    _, document = change(admin, gone | {"prices": {TARGET: None}, "models": {"llama": None}})
    assert (document["vendors"], "llama" in document["models"]) == ({}, False)
    with pytest.raises(NotFound):
        model_names(document).resolve(TARGET)


def test_a_packaged_alias_of_a_provider_that_is_not_used_here_stands_in_no_change_s_way() -> None:
    admin = admin_of("bedrock")
    change(admin, WHOLE)
    moved = refused(admin, {"models": {"mine": {"target": "openai/gpt-4"}}})
    assert moved.param == "models.mine.target"


def test_plain_http_and_this_machine_are_for_local_runs() -> None:
    entry = {"baseUrl": "http://127.0.0.1:11434/v1", "credential": "none"}
    assert refused(admin_of(), WHOLE | {"vendors": {"groq": entry}}).param == "vendors.groq.baseUrl"
    change(admin_of(destinations=Destinations(loopback=True)), WHOLE | {"vendors": {"groq": entry}})


def test_there_are_at_most_fifty() -> None:
    assert refused(admin_of(), {"vendors": {f"v{number}": GROQ for number in range(51)}}).param == "vendors"
    change(admin_of(), {"vendors": {f"v{number}": GROQ for number in range(50)}})


def test_an_alias_may_name_the_endpoint_that_is_called() -> None:
    admin = admin_of()
    target = "bedrock/amazon.nova-lite-v1:0"
    _, document = change(admin, {"models": {"nova": {"target": target, "endpoint": "converse"}}})
    assert document["models"]["nova"] == {"target": target, "endpoint": "converse"}
    assert model_names(document).resolve("nova").endpoint == "converse"
    assert model_names(document).resolve(target).endpoint == ""
    wrong = refused(admin, {"models": {"nova": {"endpoint": "mantle"}}})
    assert wrong.param == "models.nova.endpoint"
    assert "converse, invoke, openai" in wrong.message


def test_an_alias_may_name_the_regions_that_its_target_is_called_in() -> None:
    admin = admin_of()
    target, regions = "bedrock/us.amazon.nova-lite-v1:0", ["us-west-2", "us-east-1"]
    _, document = change(admin, {"models": {"nova-us": {"target": target, "regions": regions}}})
    assert document["models"]["nova-us"]["regions"] == regions
    names = model_names(document)
    routes = names.regions(names.resolve("nova-us"))
    assert [(route.name, route.target, route.region) for route in routes] == [
        ("nova-us", target, region) for region in regions
    ]
    plain = names.resolve(target)
    assert names.regions(plain) == (plain,)
    assert plain.region == ""


@pytest.mark.parametrize(
    ("target", "regions", "param"),
    [
        ("bedrock/us.amazon.nova-lite-v1:0", ["us-east-1", "eu-west-1"], "models.nova.regions[1]"),
        ("bedrock/us.amazon.nova-lite-v1:0", ["us-east-1", "us-east-1"], "models.nova.regions[1]"),
        ("bedrock/us.amazon.nova-lite-v1:0", ["Frankfurt"], "models.nova.regions[0]"),
        ("bedrock/us.amazon.nova-lite-v1:0", [f"us-east-{number}" for number in range(1, 10)], "models.nova.regions"),
        ("openai/gpt-4o", ["us-east-1"], "models.nova.regions"),
    ],
)
def test_regions_that_can_not_be(target: str, regions: list[str], param: str) -> None:
    assert refused(admin_of(), {"models": {"nova": {"target": target, "regions": regions}}}).param == param


def test_a_known_host_is_turned_on_by_its_name() -> None:
    prices = {"groq/m": {"input": 1, "output": 1}}
    _, document = change(admin_of(), {"vendors": {"groq": {}}, "prices": prices})
    vendor = parse_config(document).providers["groq"]
    assert (vendor.base_url, vendor.secret, vendor.credential) == ("https://api.groq.com/openai/v1", "groq", "key")
    assert model_names(document).resolve("groq/m").provider == "groq"
    assert "groq" not in model_names({**document, "vendors": {}, "prices": {}}).usable(), "off until it is said"
    for name in known_hosts():
        entry = {} if known_hosts()[name] else {"baseUrl": "https://models.example.com/v1"}
        change(admin_of(), {"vendors": {name: entry}})


@pytest.mark.parametrize(
    ("name", "entry", "field"),
    [
        ("acme", {}, "baseUrl"),
        ("acme", {"secret": "a"}, "baseUrl"),
        ("acme", {"baseUrl": "https://models.example.com/v1"}, "secret"),
        ("vllm", {}, "baseUrl"),
    ],
)
def test_a_host_that_nobody_knows_has_to_be_told_whole(name: str, entry: dict[str, Any], field: str) -> None:
    assert refused(admin_of(), {"vendors": {name: entry}}).param == f"vendors.{name}.{field}"


def test_an_alias_may_name_what_the_provider_calls_the_model() -> None:
    alias = {"gpt-eu": {"target": "openai/gpt-4o", "deployment": "prod-gpt-4o"}}
    _, document = change(admin_of(), {"models": alias})
    route = model_names(document).resolve("gpt-eu")
    assert (route.target, route.model, route.called) == ("openai/gpt-4o", "gpt-4o", "prod-gpt-4o")
    assert route.price == model_names(document).resolve("openai/gpt-4o").price
    assert model_names(document).resolve("openai/gpt-4o").called == "gpt-4o"
    wrong = {
        "models": {"nova": {"target": "bedrock/eu.amazon.nova-lite-v1:0", "deployment": "us.amazon.nova-pro-v1:0"}}
    }
    assert refused(admin_of(), wrong).param == "models.nova.deployment", "a region and a price are its target's"
