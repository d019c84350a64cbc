"""`python -m tools.golden check|write CONFIGURATION [PLANS]`: plan, and compare with the committed texts or write them.

CONFIGURATION is a folder with terraform/, initialised, and build/ in it. prod is written whole, of the others only the
lines that they have (+) and lack (-) compared with it: options is prod with everything on that is off by default
(golden/options.tfvars). The plans are left as JSON in the folder PLANS, if one is given. With --unresolved the plans
are the real provider's, which knows less before an apply: what it does not know agrees.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tools.golden.plan import UNKNOWN, Plan, Sources, checksums
from tools.golden.plans import PlanError, all_planned
from tools.golden.text import Blocks, differences, listed, parsed, relative, restored, written
from tools.golden.unseen import unseen
from tools.local.emulator import ROOT

GOLDEN = ROOT / "terraform" / "golden"
VARIANTS = ("dev", "staging", "options")


def planned_blocks(configuration: Path, plans: Path) -> Mapping[str, Blocks]:
    """Name of a committed text -> its blocks, as the configuration and its existing plans say now."""
    sources = Sources(configuration / "terraform")
    zips = checksums(configuration / "build" / "aws-arm64-py313")
    blocks = {
        name: listed(Plan(json.loads((plans / f"{name}.json").read_bytes()), sources, zips).blocks())
        for name in ("prod", *VARIANTS)
        if (plans / f"{name}.json").is_file()
    }
    return {"prod": blocks["prod"], "unseen": unseen(sources)} | {
        name: blocks[name] for name in VARIANTS if name in blocks
    }


def texts(blocks: Mapping[str, Blocks]) -> Mapping[str, Blocks]:
    """The same as they are committed: variants relative to prod, both without the prefix of their names."""
    base = _unnamed(blocks["prod"], "prod")
    return {**blocks} | {name: relative(base, _unnamed(blocks[name], name)) for name in VARIANTS if name in blocks}


def committed(name: str) -> dict[str, list[str]]:
    path = GOLDEN / f"{name}.txt"
    return parsed(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _unnamed(blocks: Blocks, name: str) -> Blocks:
    """Without the prefix of names, the region and its partition, which differ from one to the other: what is written
    out stays."""
    prefix = f"ai-gateway-{'prod' if name == 'options' else name}"
    region, partition = ("us-gov-west-1", "aws-us-gov") if name == "options" else ("eu-central-1", "aws")
    masks = {prefix: "{prefix}", region: "{region}", f"arn:{partition}:": "arn:{partition}:"}
    return {address: [_masked(line, masks) for line in lines] for address, lines in blocks.items()}


def _masked(line: str, masks: Mapping[str, str]) -> str:
    for text, mask in masks.items():
        line = line.replace(text, mask)
    return line


def found(now: Mapping[str, Blocks]) -> list[str]:
    """Lines that say what is other than committed; none where nothing is."""
    lines = []
    for name, blocks in texts(now).items():
        golden, current = committed(name), blocks
        if name in VARIANTS and any(UNKNOWN in line for block in now[name].values() for line in block):
            base = _unnamed(committed("prod"), "prod")
            golden, current = restored(base, golden), _unnamed(now[name], name)
        lines += [line if line[0] == " " else f"{name}: {line}" for line in differences(golden, current)]
    return lines


def main() -> int:
    command, configuration, *asked = [argument for argument in sys.argv[1:] if argument != "--unresolved"]
    with tempfile.TemporaryDirectory() as folder:
        plans = Path(asked[0] if asked else folder)
        try:
            all_planned(Path(configuration) / "terraform", plans, resolved="--unresolved" not in sys.argv)
        except PlanError as error:
            print(error, file=sys.stderr)
            return 1
        now = planned_blocks(Path(configuration), plans)
    if command == "write":
        for name, blocks in texts(now).items():
            (GOLDEN / f"{name}.txt").write_text(written(blocks), encoding="utf-8")
            print(f"terraform/golden/{name}.txt: {len(blocks)} blocks")
        return 0
    if lines := found(now):
        print(
            "The plan is another than the committed one (-). If that is meant: `make golden`, and commit what changed;"
            " rights, new functions and what production must be stand by hand in tests/terraform/expected*.py."
        )
        print("\n".join(lines))
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
