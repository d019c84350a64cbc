"""LangChain's standard tests, in their own venv; see langchain/."""

from __future__ import annotations

import os
import subprocess

from tests.clients.known import known
from tests.integration.conftest import Live
from tools.local.emulator import ROOT

SUITE = ROOT / "tests" / "clients" / "langchain"
PYTEST = ROOT / ".local" / "clients" / "langchain" / "bin" / "pytest"
_SECONDS = 300.0


def test_standard_tests(gateway: Live) -> None:
    command = [str(PYTEST), "-q", "-c", "pytest.ini", "-p", "no:cacheprovider", "--tb=short", "test_standard.py"]
    given = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"} | known(gateway)
    ran = subprocess.run(command, cwd=SUITE, env=given, capture_output=True, text=True, timeout=_SECONDS, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
