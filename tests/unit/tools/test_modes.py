"""The models of each mode of `make run`: the first commands that it prints ask for a model that the mode has."""

import pytest

from gateway.config.document import parse_config
from gateway.config.service import defaults
from gateway.models.model_names import ModelNames
from gateway.models.prices import PriceBook
from tools.local.emulator import REGION, EmulatorError
from tools.local.gateway import running
from tools.local.modes import FIRST_MODEL, MODES, options
from tools.local.seed import embedding_aliases, served_by_the_demo
from tools.manifest import Names


@pytest.mark.parametrize(
    "mode", [mode for mode in MODES if mode not in ("emulator", "local")]
)  # these write their own config
def test_the_first_lines_ask_the_mode_s_own_provider(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    environ = {"OPENAI_API_KEY": "sk-1", "ANTHROPIC_API_KEY": "sk-1"}
    held = {"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "S", "AWS_DEFAULT_REGION": REGION}
    for name, value in held.items():
        monkeypatch.setenv(name, value)
    providers = tuple(options(mode, Names("local"), environ).values["GATEWAY_PROVIDERS"].split(","))
    names = ModelNames(parse_config(defaults()), PriceBook.load(REGION), providers, REGION, "2026-11-27")
    assert names.resolve(FIRST_MODEL[mode]).provider == mode


@pytest.mark.parametrize("mode", ["openai", "anthropic"])
def test_a_missing_key_is_said_before_anything_starts(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    steps: list[str] = []
    with pytest.raises(EmulatorError, match="API_KEY"), running(None, mode, steps.append):
        raise AssertionError("it serves")
    assert steps == []


def test_the_aliases_of_embedding_models_are_known_and_the_demo_model_embeds_for_bedrock_s() -> None:
    names = ModelNames(parse_config(defaults()), PriceBook.load(REGION), ("openai", "bedrock"), REGION)
    embedding = {route.name for route in names.routes(everything=False) if route.price.mode == "embedding"}
    assert embedding_aliases() == embedding >= {"text-embedding-3-small", "titan-embed-text-v2", "cohere-embed-v4"}
    assert embedding & served_by_the_demo(REGION) >= {
        "titan-embed-text-v2",
        "cohere-embed-v4",
        "cohere-embed-english-v3",
    }
