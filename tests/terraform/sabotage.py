"""Copies of the configuration with one change, and Terraform's result for them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
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

JUDGED = ("prod", "options")  # the plans that expectations read
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
    all_planned(folder, plans, PLANS if own else JUDGED)
    return judged(into, plans)


def judged(into: Path, plans: Path) -> tuple[list[str], dict[str, list[str]]]:
    """The same of a configuration and its existing plans: JUDGED, or more."""
    block, lines = "", []
    for line in found(planned_blocks(into, plans)):
        block = line if line[0] != " " else block
        lines.append(f"{block}: {line.strip()}")
    prod, options = (planned(json.loads((plans / f"{name}.json").read_bytes())) for name in JUDGED)
    files = {name: list(reader(into / "terraform")) for name, reader in FILES.items()}
    failed = failures(prod, COMPUTE | DATA | RIGHTS | STREAMING | WATCHING) | failures(options, OPTIONS)
    return lines, failed | {name: wrong for name, wrong in files.items() if wrong}


def unnoticed(made: Mapping[str, Mistake], lines: Iterable[str], failed: Mapping[str, list[str]]) -> list[str]:
    """A line for each check that missed its mistake, among mistakes that were made together.

    A line shows a mistake if it has the form that this mistake has, and no other mistake of them. So a mistake never
    passes for noticed because another one was."""
    missed = []
    seen = {name: mistake.seen for name, mistake in made.items()}
    for name, mistake in made.items():
        if mistake.seen and not _own(name, seen, lines):
            missed.append(f"{name}: the golden plan does not tell")
        alike = {other: each.wrong for other, each in made.items() if each.fails == mistake.fails}
        if mistake.fails and not (
            _own(name, alike, failed.get(mistake.fails, ())) if mistake.wrong else mistake.fails in failed
        ):
            missed.append(f"{name}: still met is {mistake.fails}")
    return missed


def _own(name: str, forms: Mapping[str, str], lines: Iterable[str]) -> list[str]:
    """The lines that have the form of one mistake only."""
    others = [form for other, form in forms.items() if other != name and form]
    found = (line for line in lines if re.search(forms[name], line))
    return [line for line in found if not any(re.search(form, line) for form in others)]


def batches(mistakes: Mapping[str, Mistake]) -> list[tuple[str, ...]]:
    """Groups of mistakes that can be made at once and still be distinguished (`unnoticed`). With PROVE set, each
    mistake is made separately."""
    if os.environ.get("PROVE"):
        return [(name,) for name in mistakes]
    made: list[list[str]] = []
    for name in mistakes:
        for batch in made:
            if all(_apart(name, other, mistakes) for other in batch):
                batch.append(name)
                break
        else:
            made.append([name])
    return [tuple(batch) for batch in made]


def _apart(name: str, other: str, mistakes: Mapping[str, Mistake]) -> bool:
    """Whether two mistakes can be made together."""
    one, two = mistakes[name], mistakes[other]
    if other in one.hides or name in two.hides:
        return False
    return not one.fails or one.fails != two.fails or bool(one.wrong and two.wrong)
