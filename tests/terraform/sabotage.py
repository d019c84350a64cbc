"""Copies of the configuration with one thing changed, and what Terraform makes of them."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.terraform.applied import State

VARIABLES = (
    "-no-color",
    "-input=false",
    "-var-file=environments/dev.tfvars",
    "-var",
    "region=us-east-1",
    "-var",
    "profile=full",
)


@dataclass(frozen=True, slots=True)
class Change:
    """In `file`, below the copy, `old` stands once and becomes `new`."""

    file: str
    old: str
    new: str


def changed(copy: Path, into: Path, *changes: Change) -> Path:
    """A copy of the copy, without its state. Returns its folder terraform/."""
    ignored = shutil.ignore_patterns("terraform.tfstate.d", "build")
    shutil.copytree(copy, into, symlinks=True, ignore=ignored)
    (into / "build").symlink_to(copy / "build")
    for change in changes:
        path = into / change.file
        text = path.read_text(encoding="utf-8")
        assert text.count(change.old) == 1, f"{change.file} no longer holds once: {change.old}"
        path.write_text(text.replace(change.old, change.new), encoding="utf-8")
    return into / "terraform"


def terraform(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """One run of Terraform, whatever it ends with."""
    return subprocess.run(["terraform", *arguments], cwd=folder, capture_output=True, text=True, check=False)


def applied_with(copy: Path, into: Path, *changes: Change) -> State:
    """What an apply of the changed configuration makes."""
    folder = changed(copy, into, *changes)
    run = terraform(folder, "apply", *VARIABLES, "-auto-approve")
    assert run.returncode == 0, run.stderr
    return State(json.loads(terraform(folder, "show", "-json").stdout))
