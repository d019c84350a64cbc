"""The offline stand-in that is kept running for Terraform's commands: each of them has its own process."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tools.golden.provider import ADDRESS, kept
from tools.local.emulator import ROOT

# What a provider does: it is started with Terraform's word, says where it listens, and stays.
PROVIDER = """#!{python}
import os, sys, time
assert os.environ["TF_PLUGIN_MAGIC_COOKIE"]
open("began", "w").write(os.getcwd() + " " + os.environ["OFFLINE_AWS_ACCOUNT_ID"])
print("1|5|unix|" + os.environ["PLUGIN_UNIX_SOCKET_DIR"] + "/socket|grpc|", flush=True)
time.sleep(600)
"""
SILENT = "#!{python}\n"


def _mirror(folder: Path, program: str) -> dict[str, str]:
    """The environment of a command next to a mirror with this provider."""
    path = folder / ADDRESS / "6.25.0" / "linux_amd64" / "terraform-provider-aws_v6.25.0_x5"
    path.parent.mkdir(parents=True)
    path.write_text(program.format(python=sys.executable), encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return {"TF_CLI_CONFIG_FILE": str(folder / "terraformrc"), "OFFLINE_AWS_ACCOUNT_ID": "1"}


def test_terraform_is_told_where_the_provider_is_which_ends_with_it(tmp_path: Path) -> None:
    given, folder = _mirror(tmp_path / "mirror", PROVIDER), tmp_path / "configuration"
    folder.mkdir()
    with kept(folder, given) as environment:
        assert given.items() <= environment.items()
        (provider,) = json.loads(environment["TF_REATTACH_PROVIDERS"]).values()
        sockets = Path(provider["Addr"]["String"]).parent
        assert provider == {
            "Protocol": "grpc",
            "ProtocolVersion": 5,
            "Pid": provider["Pid"],
            "Test": True,
            "Addr": {"Network": "unix", "String": f"{sockets}/socket"},
        }
        os.kill(provider["Pid"], 0)
        assert (folder / "began").read_text() == f"{folder} 1"
    with pytest.raises(ProcessLookupError):
        os.kill(provider["Pid"], 0)
    assert not sockets.exists()


def test_a_provider_that_does_not_start_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConnectionError), kept(tmp_path, _mirror(tmp_path / "mirror", SILENT)):
        pass


@pytest.mark.parametrize("settings", [os.devnull, ""])
def test_the_real_provider_is_left_to_terraform(settings: str, tmp_path: Path) -> None:
    with kept(tmp_path, {"TF_CLI_CONFIG_FILE": settings}) as environment:
        assert "TF_REATTACH_PROVIDERS" not in environment


def test_a_commands_status_is_passed_on() -> None:
    line = [sys.executable, "-m", "tools.golden.provider", sys.executable, "-c", "raise SystemExit(3)"]
    assert subprocess.run(line, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, check=False).returncode == 3
