"""A model warns when its end of life is near, and is refused after it. Another vendor's copy is used if that one still
answers."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.calls.ending import headers_of_end, tell_of_end
from gateway.config.document import parse_config
from gateway.config.service import defaults
from gateway.errors import NotFound
from gateway.models.cards import Cards
from gateway.models.model_names import ModelNames
from gateway.models.prices import PriceBook
from tests.unit.models.offered import offered
from tools.models.table import ending, render

ROW = {"input": 1_000_000, "output": 1_000_000}
OLD, HERE = "openai/old", "openai/new"
PRICES = {
    "source": "s",
    "date": "d",
    "models": {
        OLD: ROW | {"ends": "2027-03-31"},
        "bedrock/us.a.old": ROW | {"ends": "2027-09-30"},
        HERE: ROW,
    },
    "regional": {},
}
CARDS = {
    "models": {
        "old": {"at": {"openai": ["old"], "bedrock": ["us.a.old"]}, "successor": "new"},
        "new": {"at": {"openai": ["new"]}},
    }
}


def names(today: str, providers: tuple[str, ...] = ("openai",), **parts: Any) -> ModelNames:
    limits = {"rateLimits": defaults()["rateLimits"], "models": {"alias": {"models": ["old"]}}}
    book = PriceBook(PRICES, "us-east-1")
    return ModelNames(parse_config(limits | parts), book, providers, "us-east-1", today, Cards(CARDS))


@pytest.mark.parametrize(
    ("today", "ending"),
    [
        ("2026-11-27", ""),
        ("2027-01-29", ""),  # 61 days
        ("2027-01-30", "2027-03-31"),
        ("2027-03-30", "2027-03-31"),
        ("", ""),
    ],
)
def test_it_warns_for_sixty_days(today: str, ending: str) -> None:
    for name in ("old", OLD, "alias"):
        route = names(today).resolve(name)
        assert (route.ending, route.target) == (ending, OLD)
        told = {"x-gateway-model-ends": ending, "x-gateway-model-successor": "new"} if ending else {}
        assert headers_of_end(route) == told
    assert names(today).resolve("new").ending == ""


@pytest.mark.parametrize("today", ["2027-03-31", "2027-04-01", "2030-01-01"])
def test_past_it_is_refused_with_its_successor_s_name(today: str) -> None:
    for name in ("old", OLD, "alias"):
        with pytest.raises(NotFound) as refused:
            names(today).resolve(name)
        error = refused.value
        assert (error.status, error.code, error.param) == (404, "model_end_of_life", "model")
        assert error.details == {"ended": "2027-03-31", "successor": "new"}
        assert "'new'" in error.message
        assert name not in offered(names(today))
    assert names(today).resolve("new").target == HERE


def test_who_serves_it_longer_is_asked_then() -> None:
    both = ("openai", "bedrock")
    assert names("2027-03-30", both).resolve("alias").target == OLD
    later = names("2027-04-01", both)
    assert {later.resolve(name).target for name in ("alias", "old")} == {"bedrock/us.a.old"}
    with pytest.raises(NotFound):
        later.resolve(OLD)
    with pytest.raises(NotFound) as refused:
        names("2027-10-01", both).resolve("alias")
    assert refused.value.code == "model_end_of_life"


def test_an_operator_says_when_a_model_of_theirs_ends() -> None:
    mine = {"input": 1.0, "output": 1.0, "ends": "2027-02-01", "successor": "gpt-mini"}
    prices = {"openai/mine": mine, OLD: {"input": 2.0, "output": 2.0}}
    found = names("2027-01-01", prices=prices)
    route = found.resolve("openai/mine")
    assert (route.ending, route.successor) == ("2027-02-01", "gpt-mini")
    assert found.resolve("old").price.ends == "2027-03-31", "a price of their own changes no end"
    with pytest.raises(NotFound) as refused:
        names("2027-02-01", prices=prices).resolve("openai/mine")
    assert refused.value.details == {"ended": "2027-02-01", "successor": "gpt-mini"}
    longer = {OLD: {"input": 2.0, "output": 2.0, "ends": "2028-01-01"}}
    assert names("2027-04-01", prices=longer).resolve("old").price.ends == "2028-01-01"


def test_it_is_told_in_the_log_once_a_process(caplog: pytest.LogCaptureFixture) -> None:
    route = names("2027-03-30").resolve("alias")
    for _ in range(3):
        tell_of_end(route)
    tell_of_end(names("2027-03-30").resolve("new"))
    told = [record for record in caplog.records if record.message == "a model is near its end of life"]
    assert [(record.target, record.ends, record.successor) for record in told] == [(OLD, "2027-03-31", "new")]  # type: ignore[attr-defined]


def test_what_the_packaged_data_says_holds() -> None:
    def packaged(today: str, *providers: str) -> ModelNames:
        return ModelNames(parse_config(defaults()), PriceBook.load("us-east-1"), providers, "us-east-1", today)

    sonnet = "claude-sonnet-4-5-20250929"
    assert packaged("2026-11-27", "anthropic", "bedrock").resolve(sonnet).target == f"anthropic/{sonnet}"
    assert packaged("2026-11-27", "anthropic", "bedrock").resolve(sonnet).ending == "2026-11-30"
    after = packaged("2026-12-01", "anthropic", "bedrock").resolve(sonnet)
    assert (after.target, after.ending) == ("bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0", "")
    with pytest.raises(NotFound, match="claude-sonnet-5-5"):
        packaged("2027-04-08", "anthropic", "bedrock").resolve(sonnet)
    with pytest.raises(NotFound, match=r"Ask for 'gpt-6\.1-sol'"):
        packaged("2026-11-27", "openai").resolve("openai/gpt-4")
    assert packaged("2026-11-27", "openai").resolve("gpt-4").target == "openai/gpt-5.4"


def test_whoever_maintains_the_packaged_config_is_told_by_the_catalogue() -> None:
    """`make models` says which aliases end soon. No test of the default run may do so, because it would fail on a
    certain date."""
    later: dict[str, Any] = {
        "prices": {HERE: {"input": 1.0, "output": 1.0, "ends": "2027-05-01"}},
        "models": {"next": {"target": HERE}},
    }
    before = ending(names("2027-03-30"))
    assert before == [f"ENDS SOON   alias ({OLD}) on 2027-03-31; then new"]
    (after,) = ending(names("2027-03-31"))
    assert after == "ENDED       The model 'alias' reached its end of life on 2027-03-31. Ask for 'new' instead."
    assert ending(names("2027-03-31", **later)) == [f"ENDS SOON   next ({HERE}) on 2027-05-01"]
    assert ending(names("2026-11-27")) == []
    assert "ENDED" in render("us-east-1", ("openai",), today="2200-01-01")
