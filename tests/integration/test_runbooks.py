"""Those commands of the documents that can run here work as they are printed, against a gateway of `make run`."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.test_local import checkout as checkout
from tests.integration.test_local import served
from tools.local.emulator import ROOT, free_port

pytestmark = pytest.mark.integration
_RUNS = re.compile(r"<!-- runs locally -->\n```console\n(.*?)```", re.DOTALL)


def blocks(page: str) -> list[str]:
    found = _RUNS.findall((ROOT / "docs" / page).read_text(encoding="utf-8"))
    assert found, page
    return found


def said(checkout: Path, script: str, **variables: str) -> str:
    """The output of a block, which must succeed."""
    environment = {**os.environ, "PYTHONPATH": f"{checkout}/shared:{checkout}", **variables}
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_the_drill_and_the_runbooks_run_as_printed(checkout: Path) -> None:
    (checkout / ".local" / "venv").symlink_to(Path(sys.executable).parent.parent)
    with served(checkout, free_port()):
        facts = json.loads((checkout / ".local" / "gateway.json").read_text(encoding="utf-8"))
        known = {"URL": facts["base_url"], "ADMIN": facts["keys"]["admin"]}
        known["KEY_ID"] = facts["keys"]["premium"].split("-")[1]
        used, leaked = blocks("runbooks/leaked-key.md")
        assert "data" in json.loads(said(checkout, used, **known))
        assert '"status":"revoked"' in said(checkout, leaked, **known).replace(" ", "")
        (refused,) = blocks("runbooks/callers-401.md")
        printed = said(checkout, refused, **known)
        assert printed.endswith(("200\n401\n", "200\n403\n")), printed
        (drill,) = blocks("restore.md")
        printed = said(checkout, drill)
        assert "(leaked) was revoked since" in printed
        assert printed.split()[:3] == ["200"] * 3
        # The function answers while the authorizer's answer is cached, for a minute; afterwards the HTTP API itself.
        assert printed.split()[-2:] in (["200", "401"], ["200", "403"]), printed
