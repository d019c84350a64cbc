"""Frameworks for Python, in their own venv: LangChain's standard tests, and suites of ours; see frameworks/."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.clients.known import known
from tests.integration.conftest import Live
from tools.local.emulator import ROOT

SUITE = ROOT / "tests" / "clients" / "frameworks"
PYTEST = ROOT / ".local" / "clients" / "frameworks" / "bin" / "pytest"
_SECONDS = 300.0


@pytest.mark.parametrize("suite", sorted(path.name for path in SUITE.glob("test_*.py")))
def test_suite(gateway: Live, suite: str) -> None:
    command = [str(PYTEST), "-q", "-c", "pytest.ini", "-p", "no:cacheprovider", "--tb=short", suite]
    given = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"} | known(gateway)
    ran = subprocess.run(command, cwd=SUITE, env=given, capture_output=True, text=True, timeout=_SECONDS, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
