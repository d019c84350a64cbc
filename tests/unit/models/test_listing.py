"""The facts that `GET /v1/models` shows of a model, judged by the types of OpenAI's own package."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from openai.types import Model
from pydantic import TypeAdapter

from functions.completions.answers import CodexModels
from functions.completions.answers import Model as Described
from gateway.config.document import parse_config
from gateway.config.service import defaults
from gateway.models.listing import listed
from gateway.models.manifest import manifest
from gateway.models.model_names import ModelNames
from gateway.models.prices import PriceBook


def names(region: str = "us-east-1", **parts: object) -> ModelNames:
    document = {**defaults(), **parts}
    return ModelNames(parse_config(document), PriceBook.load(region), ("openai", "bedrock"), region, "2026-11-27")


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1", "us-gov-west-1"])
def test_each_is_openai_s_model_and_what_the_document_says(region: str) -> None:
    found = names(region)
    shown = [listed(route, found) for route in found.routes()]
    assert len(shown) > 100
    for each in json.loads(json.dumps(shown)):
        assert TypeAdapter(Model).validate_python(each, strict=True).id == each["id"]
        assert set(Described.model_validate_json(json.dumps(each), strict=True).model_dump()) == set(each)
        assert each["dialects"]
        assert each["pricing"]["input"] > 0
        assert found.resolve(each["id"]).target == each["target"]


def test_an_agent_learns_window_output_abilities_prices_and_the_end() -> None:
    found = names()
    shown = listed(found.resolve("claude-opus-4-1"), found)
    assert shown["shutdown_date"] == "2027-01-08"
    assert shown["successor"] == "claude-opus-5-5"
    assert datetime.fromtimestamp(shown["created"], UTC).date().isoformat() == "2025-08-05"
    assert (shown["model"], shown["family"]) == ("claude-opus-4-1", "claude-opus")
    assert (shown["context_window"], shown["max_output_tokens"]) == (200_000, 32_000)
    assert {"tools", "images", "documents", "reasoning", "schemas", "caching", "streaming"} == set(
        shown["capabilities"]
    )
    assert shown["dialects"] == ["converse", "messages"]
    assert shown["pricing"] == {
        "currency": "USD",
        "per": "million tokens",
        "input": 15.0,
        "output": 75.0,
        "cached": 1.5,
        "cache_write": 18.75,
        "source": found.resolve("claude-opus-4-1").price.source,
        "date": "2026-11-27",
    }
    long = listed(found.resolve("claude-haiku"), found)["pricing"]["long"]
    assert (long["above"], long["input"] > 0) == (100_000, True)
    tiers = listed(found.resolve("gpt"), found)["pricing"]["tiers"]
    assert set(tiers) == {"flex", "priority"}


def test_what_nobody_knows_is_null() -> None:
    vendors = {"mine": {"baseUrl": "https://models.example.com/v1", "credential": "none"}}
    found = names(vendors=vendors, prices={"mine/m": {"input": 1.0, "output": 2.0}})
    shown = listed(found.resolve("mine/m"), found)
    assert [shown[field] for field in ("context_window", "max_output_tokens", "model", "family", "shutdown_date")] == [
        None
    ] * 5
    assert (shown["created"], shown["capabilities"], shown["owned_by"]) == (0, [], "mine")
    assert shown["pricing"]["source"] == "config"


def test_an_alias_that_names_an_endpoint_is_called_in_its_dialect_alone() -> None:
    target = "bedrock/us.anthropic.claude-sonnet-4-6"
    found = names(models={"native": {"target": target, "endpoint": "invoke"}, "any": {"target": target}})
    dialects = {name: listed(found.resolve(name), found)["dialects"] for name in ("native", "any")}
    assert dialects == {"native": ["messages"], "any": ["converse", "messages"]}


def test_codex_s_list_has_the_same_models_with_what_it_needs_to_know() -> None:
    """Its own parser judges the form in `make agents`; the type says which form that parser accepted."""
    found = names()
    everything = [listed(route, found) for route in found.routes()]
    shown = [each for each in everything if not {"embeddings", "titan", "cohere"} & set(each["dialects"])]
    document = json.loads(json.dumps(manifest(everything)))
    taken = CodexModels.model_validate(document, strict=True)
    assert taken.model_dump() == document
    assert [each.slug for each in taken.models] == [each["id"] for each in shown]
    assert [each.priority for each in taken.models] == list(range(1 - len(shown), 1))
    assert all(each.base_instructions for each in taken.models)
    by_name = {each.slug: each for each in taken.models}
    claude, nova = by_name["claude-opus-4-1"], by_name["nova-micro"]
    assert (claude.context_window, claude.input_modalities) == (200_000, ["text", "image"])
    assert [level["effort"] for level in claude.supported_reasoning_levels] == ["low", "medium", "high"]
    assert (nova.input_modalities, nova.supported_reasoning_levels) == (["text"], [])


def test_what_answers_in_no_words_is_not_in_codex_s_list() -> None:
    found = names()
    shown = listed(found.resolve("claude-haiku"), found)
    (only,) = manifest([shown | {"dialects": ["embeddings"]}, shown | {"context_window": None}])["models"]
    assert (only["slug"], only["context_window"]) == ("claude-haiku", None)
