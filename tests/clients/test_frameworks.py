"""Frameworks for Python, each suite in the venv of its folder: LangChain's standard tests, and our own suites."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.clients.known import known
from tests.integration.conftest import Live
from tools.local.emulator import ROOT

HERE = ROOT / "tests" / "clients"
SUITES = sorted(
    f"{folder}/{path.name}" for folder in ("frameworks", "llamaindex") for path in (HERE / folder).glob("test_*.py")
)
_SECONDS = 300.0


@pytest.mark.parametrize("suite", SUITES)
def test_suite(gateway: Live, suite: str) -> None:
    folder, _, file = suite.partition("/")
    program = ROOT / ".local" / "clients" / folder / "bin" / "pytest"
    command = [str(program), "-q", "-c", "pytest.ini", "-p", "no:cacheprovider", "--tb=short", file]
    given = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"} | known(gateway)
    ran = subprocess.run(
        command, cwd=HERE / folder, env=given, capture_output=True, text=True, timeout=_SECONDS, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
