"""`python -m tools.models write` makes the price list and the model cards anew, `show` prints the catalogue."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tools.models import cards, prices, sample, table
from tools.models.source import download, kept, read_rows

ROOT = Path(__file__).parents[2]
DATA = ROOT / "shared" / "gateway" / "data"
SAMPLE = ROOT / "tests" / "unit" / "models" / "source_rows.json"


def write() -> int:
    rows, by_hand = read_rows(download(ROOT / ".local" / "prices")), kept()
    models, regional, refused = prices.extract(rows)
    named = cards.names({*models, *(name.partition("/")[2] for name in regional)}, by_hand)
    models, regional = (cards.with_ends(each, named, by_hand) for each in (models, regional))
    made = cards.cards_of(models, {target: card for target, card in named.items() if target in models}, by_hand)
    files = {
        DATA / "prices.json": prices.render(models, regional),
        DATA / "models.json": cards.render(made, by_hand),
        SAMPLE: sample.render(rows, made),
    }
    for path, text in files.items():
        path.write_text(text, encoding="utf-8")
    for name, reason in sorted(refused.items()):
        print(f"refused  {name}: {reason}")
    sizes = ", ".join(f"{path.name} {len(text):,} bytes" for path, text in files.items())
    print(
        f"{len(models)} prices, {len(regional)} of single places, {len(refused)} refused, {len(made)} models; {sizes}"
    )
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="tools.models", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("write", help="make the data again from the pinned release and kept.json")
    show = commands.add_parser("show", help="print the catalogue as a table")
    show.add_argument("--region", default="us-east-1", help="where models are called")
    show.add_argument("--providers", default="openai,bedrock", help="of the deployment, in order of preference")
    show.add_argument("--all", action="store_true", help="every model that can be called, not only the aliases")
    show.add_argument("--residency", default="", help="as a key with this rule sees it")
    said = parser.parse_args()
    if said.command == "write":
        return write()
    print(table.render(said.region, tuple(said.providers.split(",")), everything=said.all, residency=said.residency))
    return 0


if __name__ == "__main__":
    sys.exit(main())
