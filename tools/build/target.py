"""The target of a build: an AWS runtime and architecture, or the interpreter with which an emulator runs functions."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

_WHEELS = {"arm64": "aarch64-manylinux_2_28", "x86_64": "x86_64-manylinux_2_28"}


class BuildError(Exception):
    """The build is impossible. The message says what to do."""


@dataclass(frozen=True, slots=True)
class Target:
    """`python` is a version such as 3.13. `platform` is uv's name of a platform, or None for this machine's.

    `interpreter` compiles `.pyc` files. It is None if this machine has no interpreter of that version.
    """

    name: str
    python: str
    platform: str | None
    interpreter: Path | None


def aws_target(python: str = "3.13", architecture: str = "arm64") -> Target:
    """Lambda's runtime python<version> on an architecture (arm64, x86_64)."""
    if architecture not in _WHEELS:
        raise BuildError(f"architecture {architecture}: choose one of {', '.join(_WHEELS)}")
    name = f"aws-{architecture}-py{python.replace('.', '')}"
    return Target(name, python, _WHEELS[architecture], _interpreter(python))


def local_target(interpreter: Path) -> Target:
    """The given interpreter on this machine."""
    try:
        code = "import json, sys; print(json.dumps(sys.version_info[:2]))"
        run = subprocess.run([interpreter, "-c", code], check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise BuildError(f"{interpreter} does not run: {error}") from None
    major, minor = json.loads(run.stdout)
    return Target("local", f"{major}.{minor}", None, interpreter)


def _interpreter(python: str) -> Path | None:
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    candidates = [shutil.which(f"python{python}"), *map(str, sorted(root.glob(f"{python}*/bin/python"), reverse=True))]
    for candidate in candidates:
        if candidate is None:
            continue
        try:
            if local_target(Path(candidate)).python == python:
                return Path(candidate)
        except BuildError:  # it is a version manager's shim that does not work
            continue
    return None
