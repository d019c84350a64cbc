"""The price list: shared/gateway/data/prices.json, of a pinned release of LiteLLM's price file.

Models that are priced by the token, of the vendors that are packaged, in integer micro-dollars per million tokens. What
can't be taken over exactly is refused and listed, never rounded or guessed. Same release, same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal

from tools.models.source import Row, compact, lines, source

_PROVIDERS = {
    "openai": "openai",
    "text-completion-openai": "openai",
    "bedrock": "bedrock",
    "bedrock_converse": "bedrock",
    "anthropic": "anthropic",
    "azure": "azure",
}
_MODES = frozenset(("chat", "completion", "embedding", "responses"))
_WRITES = frozenset(("chat", "completion", "responses"))
_RATES = {
    "input": "input_cost_per_token",
    "output": "output_cost_per_token",
    "cached": "cache_read_input_token_cost",
    "cache_write": "cache_creation_input_token_cost",
    "cache_write_1h": "cache_creation_input_token_cost_above_1hr",
}
_TIERS = ("flex", "priority", "ultrafast")
_CAPABILITIES = {
    "supports_function_calling": "tools",
    "supports_pdf_input": "documents",
    "supports_prompt_caching": "caching",
    "supports_reasoning": "reasoning",
    "supports_response_schema": "schemas",
    "supports_vision": "images",
}
_LONG = re.compile(r"input_cost_per_token_above_(\d+)k_tokens")
_REGION = re.compile(r"[a-z]{2}(-gov)?-[a-z]+-\d")
_ZONE = re.compile(r"(us|eu|apac|us-gov)")  # of a vendor whose prices differ by the geography that it is bound to
_EVERYWHERE = frozenset(("global", "global-standard"))
_ID = {"bedrock": re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+(:\d+)?")}  # what a vendor's API takes as a model's id
_SEARCHING = re.compile(r"-search-(preview|api)\b")
_MICRO_PER_MILLION = Decimal(10) ** 12


class Refused(Exception):
    """This row can't be taken over; the message says why."""


def extract(rows: Mapping[str, Row]) -> tuple[dict[str, Row], dict[str, Row], dict[str, str]]:
    """Prices by target, those of single regions by `region/target`, and the refused rows with the reason."""
    prices: dict[tuple[str, str], Row] = {}
    refused: dict[str, str] = {}
    disputed: set[tuple[str, str]] = set()
    for name, row in rows.items():
        if row.get("litellm_provider") not in _PROVIDERS or row.get("mode") not in _MODES:
            continue
        try:
            place, price = place_of(name, row), price_of(row)
        except Refused as reason:
            refused[name] = str(reason)
            continue
        if _money(prices.setdefault(place, price)) != _money(price):
            disputed.add(place)
    for region, target in disputed:
        del prices[region, target]
        refused[f"{region}/{target}"] = "two rows give it different prices"
    models = {target: price for (region, target), price in prices.items() if not region}
    regional = {f"{region}/{target}": price for (region, target), price in prices.items() if region}
    return models, regional, refused


def place_of(name: str, row: Row) -> tuple[str, str]:
    """Region ("" for everywhere) and `provider/model`."""
    if _SEARCHING.search(name):
        raise Refused("every call searches the web, for a fee beside its tokens")
    provider = _PROVIDERS[row["litellm_provider"]]
    *path, model = name.removeprefix(f"{provider}/").split("/")
    place = "" if not path or path[0] in _EVERYWHERE else path[0]
    known = _REGION if provider == "bedrock" else _ZONE
    if len(path) > 1 or (place and not known.fullmatch(place)):
        raise Refused(f"a kind of its own ({'/'.join(path)}), not an on-demand model")
    if provider in _ID and not _ID[provider].fullmatch(model):
        raise Refused("no id that the API takes")
    return place, f"{provider}/{model}"


def price_of(row: Row) -> Row:
    """One row in our form."""
    if _differs(row, "input_cost_per_audio_token", "input") or _differs(row, "output_cost_per_audio_token", "output"):
        raise Refused("audio tokens have a price of their own")
    price = _rates(row, "")
    if row["mode"] != "chat":
        price["mode"] = row["mode"]
    if "input_cost_per_image" in row:
        price["image"] = _exact(row, "input_cost_per_image", 10**6)
    for field in ("max_input_tokens", "max_output_tokens"):
        if (limit := row.get(field)) is not None:
            price[field] = limit
    if capabilities := sorted(_capabilities(row)):
        price["capabilities"] = capabilities
    if ends := row.get("deprecation_date"):
        price["ends"] = ends
    _add_long(price, row, "")
    tiers = {tier: _tier(row, f"_{tier}") for tier in _TIERS if f"input_cost_per_token_{tier}" in row}
    return price | ({"tiers": tiers} if tiers else {})


def _capabilities(row: Row) -> Iterator[str]:
    yield from (short for long, short in _CAPABILITIES.items() if row.get(long))
    if row["mode"] in _WRITES and row.get("supports_native_streaming") is not False:
        yield "streaming"


def _money(price: Row) -> Row:
    return {name: price.get(name) for name in (*_RATES, "image")}


def _tier(row: Row, suffix: str) -> Row:
    tier = _rates(row, suffix)
    _add_long(tier, row, suffix)
    return tier


def _add_long(price: Row, row: Row, suffix: str) -> None:
    bounds = sorted({int(match[1]) for name in row if (match := _LONG.fullmatch(name.removesuffix(suffix)))})
    bounds = [bound for bound in bounds if f"input_cost_per_token_above_{bound}k_tokens{suffix}" in row]
    if len(bounds) > 1:
        raise Refused("more than one long-context price")
    for bound in bounds:
        price["long_above"] = bound * 1000
        price["long"] = _rates(row, f"_above_{bound}k_tokens{suffix}")


def _rates(row: Row, suffix: str) -> Row:
    fields = {ours: theirs + suffix for ours, theirs in _RATES.items() if row.get(theirs + suffix) is not None}
    rates = {ours: _exact(row, field) for ours, field in fields.items()}
    if row["mode"] == "embedding":
        rates.setdefault("output", 0)  # an embedding has no output tokens
    for name in ("input", "output"):
        if name not in rates:
            raise Refused(f"no {name} price" + (f" ({suffix.strip('_')})" if suffix else ""))
    if not rates["input"] or (row["mode"] in _WRITES and not rates["output"]):
        raise Refused("a price of 0")
    return rates


def _exact(row: Row, field: str, scale: int | Decimal = _MICRO_PER_MILLION) -> int:
    amount = Decimal(row[field]) * scale
    if amount < 0 or amount != int(amount):
        raise Refused(f"{field} is no whole number of micro-dollars: {row[field]}")
    return int(amount)


def _differs(row: Row, field: str, plain: str) -> bool:
    return row.get(field) is not None and row[field] != row.get(_RATES[plain])


def render(models: dict[str, Row], regional: dict[str, Row]) -> str:
    """One model a line, so that a diff shows which prices changed."""
    return f'{compact(source())[:-1]},\n"models":{lines(models)},\n"regional":{lines(regional)}}}\n'
