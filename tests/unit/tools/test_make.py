"""`PYTHON=` of any `make` command is used where an environment is made, and refused where one exists that has another
Python. It is never ignored."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools.local.emulator import ROOT


def make(*arguments: str) -> tuple[int, str]:
    """What `make` would run, and its exit code; nothing is run."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "PYTHON"))
    }
    ran = subprocess.run(
        ["make", "-n", *arguments],
        cwd=ROOT,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    return ran.returncode, ran.stdout


def environment_of(folder: Path, python: str) -> None:
    """An environment with this Python."""
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").write_text(f"#!/bin/sh\n{python}\n")
    (folder / "bin" / "python").chmod(0o755)


@pytest.mark.parametrize("command", ["run", "test", "docs", "agents"])
def test_another_python_than_that_of_an_environment_is_refused(tmp_path: Path, command: str) -> None:
    environment_of(tmp_path / "docs", "echo 3.9 /elsewhere")
    code, said = make(command, f"LOCAL={tmp_path}", f"PYTHON={sys.executable}")
    assert code != 0
    assert f"but {tmp_path}/docs was made with Python 3.9" in said
    assert f"PYTHON={sys.executable} can't be used" in said


def test_the_python_of_the_environments_is_taken(tmp_path: Path) -> None:
    environment_of(tmp_path / "docs", f'exec {sys.executable} "$@"')
    code, said = make("run", f"LOCAL={tmp_path}", f"PYTHON={sys.executable}")
    assert (code, "can't be used" in said) == (0, False), said


def test_a_python_that_does_not_run_is_refused_but_does_not_disturb_help_or_clean(tmp_path: Path) -> None:
    code, said = make("run", f"LOCAL={tmp_path}", "PYTHON=/no/python")
    assert code != 0
    assert "PYTHON=/no/python does not run" in said
    for command in ("help", "clean"):
        assert make(command, f"LOCAL={tmp_path}", "PYTHON=/no/python")[0] == 0
