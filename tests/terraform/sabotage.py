"""Copies of the configuration with one change, and Terraform's result for them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.terraform.applied import State
from tests.terraform.expected import failures, planned
from tests.terraform.expected_compute import COMPUTE
from tests.terraform.expected_data import DATA
from tests.terraform.expected_files import FILES
from tests.terraform.expected_options import OPTIONS
from tests.terraform.expected_rights import RIGHTS
from tests.terraform.expected_streaming import STREAMING
from tests.terraform.expected_watching import WATCHING
from tests.terraform.mistakes import Change, Mistake
from tools.golden.__main__ import found, planned_blocks
from tools.golden.plans import PLANS, all_planned
from tools.golden.provider import kept

VARIABLES = (
    "-no-color",
    "-input=false",
    "-var-file=environments/dev.tfvars",
    "-var",
    "region=us-east-1",
    "-var",
    "profile=full",
)


def changed(copy: Path, into: Path, *changes: Change) -> Path:
    """A copy of the copy, without its state, with the changes. Returns its folder terraform/."""
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
    """One run of Terraform, whatever its exit status is."""
    with kept(folder, os.environ) as environment:
        line = ["terraform", *arguments]
        return subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def applied_with(copy: Path, into: Path, *changes: Change) -> State:
    """The state after an apply of the changed configuration."""
    folder = changed(copy, into, *changes)
    run = terraform(folder, "apply", *VARIABLES, "-auto-approve")
    assert run.returncode == 0, run.stderr
    return State(json.loads(terraform(folder, "show", "-json").stdout))


def noticed(copy: Path, into: Path, *changes: Change) -> tuple[list[str], dict[str, list[str]]]:
    """How the golden plan (`text: block: - or + line`) and the second description judge the changed configuration."""
    folder, plans = changed(copy, into, *changes), into / "plans"
    # Plans of the other environments are made only if one of their own files has changed.
    own = any(name in change.file for change in changes for name in ("dev.tfvars", "staging.tfvars"))
    all_planned(folder, plans, PLANS if own or not changes else ("prod", "options"))
    block, lines = "", []
    for line in found(planned_blocks(into, plans)):
        block = line if line[0] != " " else block
        lines.append(f"{block}: {line.strip()}")
    prod, options = (planned(json.loads((plans / f"{name}.json").read_bytes())) for name in ("prod", "options"))
    files = {name: list(reader(folder)) for name, reader in FILES.items()}
    failed = failures(prod, COMPUTE | DATA | RIGHTS | STREAMING | WATCHING) | failures(options, OPTIONS)
    return lines, failed | {name: wrong for name, wrong in files.items() if wrong}


def batches(mistakes: Mapping[str, Mistake]) -> list[tuple[str, ...]]:
    """Groups of mistakes that can be made at once and still be distinguished: no two mistakes of a group fail the same
    expectation. With PROVE set, each mistake is made separately."""
    if os.environ.get("PROVE"):
        return [(name,) for name in mistakes]
    made: list[list[str]] = []
    for name, mistake in mistakes.items():
        for batch in made:
            if all(mistake.fails != mistakes[other].fails for other in batch) or not mistake.fails:
                batch.append(name)
                break
        else:
            made.append([name])
    return [tuple(batch) for batch in made]
