"""A hold that fits: turns of an agent, as clients send them, compared with their cost; the table of
`docs/ledger.md`."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from gateway.calls.estimate import Estimate, estimate
from gateway.config.document import parse_config
from gateway.config.service import packaged
from gateway.models.model_names import ModelNames
from gateway.models.money import MICRO, Price, cost_of, usd
from gateway.models.prices import PriceBook
from gateway.models.usage import Usage

CAP = 32_000
SMALL, LARGE = "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0", "bedrock/us.anthropic.claude-sonnet-4-6"
WINDOWS = {SMALL: 200_000, LARGE: 1_000_000}
SIZES = (20, 50, 100, 200, 400)  # KB
ROOT = Path(__file__).parents[3]
DOCS, PACKAGED = ROOT / "docs" / "ledger.md", ROOT / "shared" / "gateway" / "data"
BOOK = PriceBook.load()
# The parts of agents' turns: code and its listing, a tool's output, prose. 3.6 to 4.4 bytes a token.
CODE = "    for row in rows:\n        total += row.price * row.count  # in micro-dollars\n"
OUTPUT = "shared/gateway/ledger/ledger.py:118:        won = self.rows.close(row.minute)\n"
PROSE = "The failing test reads the table twice, so the second read finds the row that the first one wrote. "


def price_of(target: str) -> Price:
    price = BOOK.find(target)
    assert price is not None
    return price


def turn(kilobytes: int, *, ttl: str | None = None, marks: int = 3) -> dict[str, Any]:
    """A turn of a coding agent: system text and tools, then calls of tools with their results. The last of them are
    marked, as such clients do."""
    chance = random.Random(kilobytes)
    mark = {"cache_control": {"type": "ephemeral"} | ({"ttl": ttl} if ttl else {})}
    tools = [
        {
            "type": "function",
            "function": {"name": f"tool_{n}", "description": PROSE * 8, "parameters": {"type": "object"}},
        }
        for n in range(8)
    ]
    messages: list[dict[str, Any]] = [{"role": "system", "content": [{"type": "text", "text": PROSE * 60}]}]
    body = {"messages": messages, "tools": tools}
    number = 0
    while len(json.dumps(body)) < kilobytes * 1_000:
        number += 1
        call = {
            "id": f"call_{number}",
            "type": "function",
            "function": {"name": "tool_1", "arguments": '{"path": "a.py"}'},
        }
        messages.append({"role": "assistant", "content": PROSE, "tool_calls": [call]})
        text = chance.choice([CODE, OUTPUT, PROSE]) * chance.randrange(5, 25)
        messages.append({"role": "tool", "tool_call_id": call["id"], "content": [{"type": "text", "text": text}]})
    for message in messages[-2 * marks :: 2] if marks else []:
        if isinstance(message["content"], list):
            message["content"][0] |= mark
    if marks:
        messages[-1]["content"][0] |= mark
    return body


def usage_of(kilobytes: int, output: int = 700) -> Usage:
    """The cost of such a turn: four bytes a token, everything read from the cache except the last 4 KB."""
    tokens = kilobytes * 1_000 // 4
    return Usage(input_tokens=20, cached_tokens=tokens - 1_020, cache_write_tokens=1_000, output_tokens=output)


def fit(kilobytes: int, target: str, body: dict[str, Any] | None = None) -> Estimate:
    sent = turn(kilobytes) if body is None else body
    return estimate(sent, price_of(target), target=target, choices=1, output_cap=CAP)


def before(kilobytes: int, target: str) -> int:
    """The amount that was held when every byte counted as a token that is written to the cache for an hour."""
    price = price_of(target)
    size = len(json.dumps(turn(kilobytes), ensure_ascii=False, separators=(",", ":")))
    size += 128 + 8 * len(turn(kilobytes)["messages"]) + 1_024
    price = price.for_prompt(size)
    dearest = max(price.input, price.cache_write or 0, price.cache_write_1h or 0)
    return -(-(size * dearest + CAP * price.output) // MICRO) + 1


@pytest.mark.parametrize("target", WINDOWS)
@pytest.mark.parametrize("kilobytes", SIZES)
def test_a_hold_is_above_the_dearest_bill_of_the_turn(kilobytes: int, target: str) -> None:
    """Every byte counts as a token, all of them are written to the cache, up to what the model can read, and the cap is
    used up."""
    body, price = turn(kilobytes), price_of(target)
    size = min(len(json.dumps(body, separators=(",", ":"))), WINDOWS[target])
    est = fit(kilobytes, target)
    assert (
        cost_of(Usage(cache_write_tokens=size, output_tokens=CAP), price).total <= est.cost <= before(kilobytes, target)
    )
    hour = fit(kilobytes, target, turn(kilobytes, ttl="1h"))
    assert cost_of(Usage(cache_write_1h_tokens=size, output_tokens=CAP), price).total <= hour.cost
    plain = fit(kilobytes, target, turn(kilobytes, marks=0))
    assert cost_of(Usage(input_tokens=size, output_tokens=CAP), price).total <= plain.cost < est.cost < hour.cost


@pytest.mark.parametrize("target", WINDOWS)
@pytest.mark.parametrize("kilobytes", SIZES)
def test_once_the_prompt_is_told_the_hold_is_its_price_and_the_cap_s(kilobytes: int, target: str) -> None:
    est, told = fit(kilobytes, target), usage_of(kilobytes, output=0)
    price = price_of(target).for_prompt(told.prompt_tokens)
    prompt = cost_of(told, price_of(target)).prompt
    assert est.once_told(told) == prompt + -(-CAP * price.output // MICRO)
    assert cost_of(usage_of(kilobytes, output=CAP), price_of(target)).total == est.once_told(told) < est.cost


@pytest.mark.parametrize("target", WINDOWS)
@pytest.mark.parametrize("kilobytes", SIZES)
def test_a_typical_hold_covers_a_turn_that_is_written_to_the_cache_whole(kilobytes: int, target: str) -> None:
    est, price = fit(kilobytes, target), price_of(target)
    anew = Usage(cache_write_tokens=kilobytes * 1_000 // 4, output_tokens=CAP)
    assert cost_of(anew, price).total <= est.typical < est.cost
    assert cost_of(usage_of(kilobytes), price).total < est.typical


def test_four_typical_turns_of_400_kb_run_at_once_on_five_dollars() -> None:
    for target in WINDOWS:
        assert 4 * fit(400, target).typical <= 5_000_000 < 4 * fit(400, target).cost


@pytest.mark.parametrize("tier", ["free", "basic", "premium", "enterprise"])
def test_each_tier_s_own_limits_have_room_for_a_turn_of_200_000_tokens(tier: str) -> None:
    limits = parse_config(json.loads((PACKAGED / "config.json").read_bytes(), object_hook=_anywhere)).tier(tier)
    body, cap = turn(800), limits.default_turn_tokens
    asked = estimate(body, price_of(LARGE), target=LARGE, choices=1, output_cap=cap).tokens
    assert (cap, asked >= 200_000 + 32_000 - 3_000) == (32_000, True)
    for limit in (limits.tokens_per_minute, limits.tokens_per_day):
        assert limit is None or asked <= limit


DEFAULT_MODELS = ("claude-sonnet", "claude-haiku", "claude-opus", "gpt", "gpt-4", "gpt-mini", "nova-lite", "nova-pro")


@pytest.mark.parametrize("name", DEFAULT_MODELS)
def test_the_free_tier_s_budget_admits_a_turn_of_200_000_tokens_and_few_of_a_dear_model(name: str) -> None:
    config = packaged()
    free, providers = config.tier("free"), ("openai", "anthropic", "bedrock")
    route = ModelNames(config, BOOK, providers, "us-east-1", "2026-11-27").resolve(name)
    body, caps = turn(800), (free.default_max_tokens, free.default_turn_tokens)
    holds = [estimate(body, route.price, target=route.target, choices=1, output_cap=cap).cost for cap in caps]
    assert free.budget is not None
    assert max(holds) <= free.budget
    if name in ("claude-opus", "claude-sonnet", "gpt"):
        assert free.budget // max(holds) <= 3
    others = [config.tier(tier) for tier in ("basic", "premium", "enterprise")]
    assert all(tier.budget is None for tier in others)  # the budgets say who is charged for them


def test_calls_at_once_are_bounded_in_each_tier_by_no_less_than_ten() -> None:
    at_once = [packaged().tier(tier).max_parallel_requests for tier in ("free", "basic", "premium", "enterprise")]
    assert at_once[0] >= 10
    assert at_once == sorted(at_once)


def _anywhere(value: dict[str, Any]) -> Any:
    """A model that has another name in each geography, called by one of these names."""
    return value | {"target": value["target"]["us"]} if isinstance(value.get("target"), dict) else value


def test_the_prompt_is_no_longer_than_what_the_model_reads() -> None:
    assert (fit(400, SMALL).prompt, fit(400, LARGE).prompt > 400_000) == (200_000, True)
    # The price of long prompts is not held if the model cannot read such prompts.
    assert price_of(SMALL).long_above == 200_000
    assert fit(400, SMALL).cost == -(-(200_000 * 4_125_000 + CAP * 16_500_000) // MICRO) + 1


MARK = {"type": "ephemeral"}


@pytest.mark.parametrize(
    "marked",
    [
        {"messages": [{"role": "user", "content": "x", "cache_control": MARK}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "x", "cache_control": MARK}]}]},
        {
            "messages": [],
            "tools": [{"type": "function", "function": {"name": "a"}, "cache_control": MARK}],
        },
        {
            "messages": [
                {"role": "user", "content": [{"cachePoint": {"type": "default"}}, {"type": "text", "text": "x"}]}
            ]
        },
        {"messages": [], "cache_control": MARK},
    ],
    ids=["message", "part", "tool", "cache-point", "request"],
)
def test_a_mark_counts_wherever_it_stands(marked: dict[str, Any]) -> None:
    price = Price(input=MICRO, output=0, cache_write=4 * MICRO, cache_write_1h=9 * MICRO, max_input_tokens=1_000)
    text = {"role": "user", "content": "x" * 2_000}
    bare = estimate({"messages": [text]}, price, target=LARGE, choices=1, output_cap=1)
    body = {**marked, "messages": [*marked["messages"], text]}
    est = estimate(body, price, target=LARGE, choices=1, output_cap=1)
    assert (bare.cost, est.cost) == (1_001, 4_001)
    hour = json.loads(
        json.dumps(body).replace('"ephemeral"', '"ephemeral", "ttl": "1h"').replace('"default"', '"d", "ttl": "1h"')
    )
    assert estimate(hour, price, target=LARGE, choices=1, output_cap=1).cost == 9_001


def test_a_mark_that_is_text_is_none() -> None:
    price = Price(input=MICRO, output=0, cache_write=4 * MICRO, max_input_tokens=1_000)
    body = {"messages": [{"role": "user", "content": '{"cache_control": {"type": "ephemeral"}}' * 100}]}
    assert estimate(body, price, target=LARGE, choices=1, output_cap=1).cost == 1_001


def test_the_documents_show_the_table() -> None:
    lines = ["| turn | model's window | held before | held now | typical | once told | costs |", "|---" * 7 + "|"]
    for target, window in WINDOWS.items():
        for size in SIZES:
            est, told = fit(size, target), usage_of(size, output=0)
            facts = (before(size, target), est.cost, est.typical, est.once_told(told))
            cost = cost_of(usage_of(size), price_of(target)).total
            cells = [f"${usd(each):.2f}" for each in facts] + [f"${usd(cost):.3f}"]
            lines.append(f"| {size} KB | {window:,} | {' | '.join(cells)} |")
    table = "\n".join(lines)
    assert table in DOCS.read_text(), table
