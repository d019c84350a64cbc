"""Plans of every environment, for a comparison."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tools.golden.provider import kept

# Name -> workspace and variable files, below terraform/.
PLANS = {
    "dev": ("dev", ["environments/dev.tfvars"]),
    "staging": ("staging", ["environments/staging.tfvars"]),
    "prod": ("prod", ["environments/prod.tfvars"]),
    "options": ("prod", ["environments/prod.tfvars", "golden/options.tfvars"]),
}


# Not the stand-in's own: what is written out instead of asked for is then another number.
ACCOUNT = "210987654321"


class PlanError(Exception):
    """Terraform refuses to plan; the message is what it said."""


def planned(terraform: Path, name: str, out: Path, *given: str, resolved: bool = True) -> Path:
    """One plan as JSON, written below `out`. `resolved`: by a stand-in that says what only an apply knows.
    `given`: more arguments of `terraform plan`. Raises PlanError."""
    workspace, files = PLANS[name]
    environment = os.environ | {"TF_WORKSPACE": workspace, "OFFLINE_AWS_RESOLVE_AT_PLAN": "1" if resolved else ""}
    environment["OFFLINE_AWS_ACCOUNT_ID"] = ACCOUNT
    out.mkdir(parents=True, exist_ok=True)
    binary, document = out / f"{name}.plan", out / f"{name}.json"

    variables = [f"-var-file={file}" for file in files]
    plan = ("plan", "-no-color", "-input=false", "-lock=false", "-refresh=false", *variables, *given, f"-out={binary}")
    with kept(terraform, environment) as settings:
        _run(terraform, settings, *plan)
        document.write_text(_run(terraform, settings, "show", "-json", str(binary)), encoding="utf-8")
    return document


def _run(folder: Path, environment: Mapping[str, str], *arguments: str) -> str:
    line = ["terraform", *arguments]
    done = subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PlanError(done.stderr)
    return done.stdout


def all_planned(terraform: Path, out: Path, names: Iterable[str] = PLANS, *, resolved: bool = True) -> None:
    """Every plan, or some. Raises PlanError."""
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda name: planned(terraform, name, out, resolved=resolved), names))
