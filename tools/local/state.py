"""The facts of a running local gateway for other programs, in .local/gateway.json. Only its owner can read the file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from tools.local.emulator import ROOT

FILE = ROOT / ".local" / "gateway.json"


def write(facts: dict[str, Any], file: Path = FILE) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    scratch = file.with_suffix(f".{os.getpid()}")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        json.dump(facts, out, indent=2)
        out.write("\n")
    scratch.replace(file)


def read(file: Path = FILE) -> dict[str, Any] | None:
    """The facts of the running gateway, or None if none runs. A file that a killed gateway left is removed."""
    try:
        facts: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        os.kill(facts["pid"], 0)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, ProcessLookupError, PermissionError):  # another user's process has the number now
        file.unlink(missing_ok=True)
        return None
    return facts


def remove(file: Path = FILE) -> None:
    file.unlink(missing_ok=True)
