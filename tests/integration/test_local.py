"""`make run` as its user meets it: it serves, says clearly what is wrong, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tools.local.emulator import ROOT, free_port

_READY_SECONDS = 300.0


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout of its own beside the real one's environments, so that no running gateway is met."""
    copy = tmp_path / "checkout"
    for folder in ("functions", "shared", "tools", "requirements"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / ".local").mkdir()
    for name in ("emulator", "dependencies"):
        if (ROOT / ".local" / name).exists():
            (copy / ".local" / name).symlink_to(ROOT / ".local" / name)
    return copy


def tool(checkout: Path, *arguments: str, **variables: str) -> subprocess.Popen[str]:
    keep = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "OPENAI_"))}
    environment = keep | {"PYTHONPATH": f"{checkout}/shared:{checkout}", "TMPDIR": str(checkout.parent)} | variables
    command = [sys.executable, "-m", "tools.local", *arguments]
    return subprocess.Popen(
        command, cwd=checkout, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def finished(process: subprocess.Popen[str]) -> tuple[int, str]:
    output, _ = process.communicate(timeout=_READY_SECONDS)
    return process.returncode, output


@contextmanager
def served(checkout: Path, port: int) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A gateway that is ready, and what it printed until then."""
    process = tool(checkout, "run", "--port", str(port))
    lines: list[str] = []
    try:
        assert process.stdout is not None
        deadline = time.monotonic() + _READY_SECONDS
        while "Ctrl-C ends everything" not in "".join(lines):
            line = process.stdout.readline()
            assert line, "".join(lines)
            assert time.monotonic() < deadline
            lines.append(line)
        yield process, "".join(lines)
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=_READY_SECONDS)


def test_serves_with_curl_lines_that_work_and_leaves_nothing_behind(checkout: Path) -> None:
    port = free_port()
    with served(checkout, port) as (process, printed):
        state = checkout / ".local" / "gateway.json"
        facts = json.loads(state.read_text())
        assert state.stat().st_mode & 0o777 == 0o600
        assert (facts["base_url"], facts["pid"]) == (f"http://127.0.0.1:{port}", process.pid)
        commands = re.findall(r"^  curl .*?(?<!\\)$", printed, re.MULTILINE | re.DOTALL)
        assert len(commands) == 8
        for command in commands:
            shown = subprocess.run(["bash", "-c", f"{command} --fail"], capture_output=True, text=True, check=False)
            assert shown.returncode == 0, command + shown.stdout
            if "-sN" in command:
                assert shown.stdout.endswith("data: [DONE]\n\n")
            else:
                assert "error" not in json.loads(shown.stdout)

        code, output = finished(tool(checkout, "run", "--port", str(free_port())))
        assert (code, str(process.pid) in output, facts["base_url"] in output) == (1, True, True)
        code, output = finished(tool(checkout, "logs", "--function", "completions"))
        assert code == 0
        assert '"message":"request"' in output
        assert '"route":"POST /v1/messages"' in finished(tool(checkout, "logs", "--function", "stream"))[1]
        assert finished(tool(checkout, "logs", "--function", "nothing"))[0] == 1

        source = checkout / "shared" / "gateway" / "health" / "health.py"
        source.write_text(source.read_text().replace('"status": "healthy"', '"status": "healthy", "changed": True'))
        code, output = finished(tool(checkout, "redeploy"))
        assert code == 0, output
        assert "layer-gateway changed" in output
        with urllib.request.urlopen(f"{facts['base_url']}/health", timeout=30) as reply:  # noqa: S310  loopback
            assert json.loads(reply.read())["changed"] is True

        assert finished(tool(checkout, "stop"))[0] == 0
        process.wait(timeout=30)
    assert not state.exists()
    assert [path.name for path in checkout.parent.glob("ai-gateway-*")] == []
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=2)


def test_a_terminal_that_closes_leaves_nothing_behind(checkout: Path) -> None:
    port = free_port()
    process = tool(checkout, "run", "--port", str(port))
    assert process.stdout is not None
    while "emulator" not in (line := process.stdout.readline()):
        assert line
    while "build" not in (line := process.stdout.readline()):  # the emulator is up
        assert line
    process.send_signal(signal.SIGHUP)
    assert finished(process)[0] == 0
    assert [path.name for path in checkout.parent.glob("ai-gateway-*")] == []
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=2)


def test_a_port_in_use(checkout: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, output = finished(tool(checkout, "run", "--port", str(port)))
    assert code == 1
    assert f"Port {port} is in use" in output


def test_a_missing_emulator_a_missing_key_and_nothing_to_stop(checkout: Path) -> None:
    code, output = finished(tool(checkout, "run", "--port", str(free_port()), "--llm", "openai"))
    assert (code, "OPENAI_API_KEY" in output) == (1, True)
    assert [path.name for path in checkout.parent.glob("ai-gateway-*")] == []
    (checkout / ".local" / "emulator").unlink()
    code, output = finished(tool(checkout, "run", "--port", str(free_port())))
    assert (code, "not installed" in output) == (1, True)
    assert finished(tool(checkout, "stop")) == (0, "No gateway runs.\n")
    assert finished(tool(checkout, "redeploy"))[0] == 1
