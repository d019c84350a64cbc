"""`make run` as its user sees it: it serves, reports problems clearly, and leaves nothing behind."""

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
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tools.local.emulator import ROOT, free_port

_READY_SECONDS = 300.0


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A separate checkout, next to the environments of the real one, so that the test can't meet a running gateway."""
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
    """A gateway that is ready, and its output until then."""
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
        check_another_shell(checkout, facts)
        check_logs(checkout, facts)

        source = checkout / "shared" / "gateway" / "health" / "health.py"
        source.write_text(source.read_text().replace('"status": "healthy"', '"status": "healthy", "changed": True'))
        code, output = finished(tool(checkout, "redeploy"))
        assert code == 0, output
        assert "layer-gateway changed" in output
        assert "nothing changed" in finished(tool(checkout, "redeploy"))[1]
        with urllib.request.urlopen(f"{facts['base_url']}/health", timeout=_READY_SECONDS) as reply:  # noqa: S310  loopback
            assert json.loads(reply.read())["changed"] is True

        assert finished(tool(checkout, "stop"))[0] == 0
        process.wait(timeout=_READY_SECONDS)
    assert not state.exists()
    assert [path.name for path in checkout.parent.glob("ai-gateway-*")] == []
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=2)


def check_another_shell(checkout: Path, facts: dict[str, Any]) -> None:
    """The variables that `eval $(make env)` sets, and the answer of the demo model, word by word if it is streamed."""
    code, output = finished(tool(checkout, "env"))
    assert code == 0
    shown = subprocess.run(
        ["bash", "-c", f'eval "{output}"; echo "$URL $KEY $ADMIN"'], capture_output=True, text=True, check=True
    )
    assert shown.stdout.split() == [facts["base_url"], facts["keys"]["premium"], facts["keys"]["admin"]]
    assert all(line.startswith("export ") for line in output.splitlines())
    said = "This is the local demo model. You said: Hello, you!"
    body = {"messages": [{"role": "user", "content": "Hello, you!"}], "max_tokens": 50}
    for path, model in (
        ("chat/completions", "gpt-4"),
        ("chat/completions", "claude-haiku"),
        ("messages", "claude-haiku"),
    ):
        assert said in asked(facts, path, {**body, "model": model})
        streamed = asked(facts, path, {**body, "model": model, "stream": True})
        assert streamed.count("local") == 1
        assert "local demo" not in streamed
    for model in ("text-embedding-3-small", "titan-embed-text-v2", "cohere-embed-v4"):
        embedded = json.loads(asked(facts, "embeddings", {"model": model, "input": ["red wine", "white wine"]}))
        assert [len(each["embedding"]) > 500 for each in embedded["data"]] == [True, True]
        assert embedded["usage"]["cost"] > 0


def asked(facts: dict[str, Any], path: str, body: dict[str, Any], **headers: str) -> str:
    sent = {"authorization": f"Bearer {facts['keys']['premium']}", "content-type": "application/json", **headers}
    request = urllib.request.Request(f"{facts['base_url']}/v1/{path}", json.dumps(body).encode(), sent)  # noqa: S310
    with urllib.request.urlopen(request, timeout=_READY_SECONDS) as reply:  # noqa: S310  loopback
        text: str = reply.read().decode()
        return text


def check_logs(checkout: Path, facts: dict[str, Any]) -> None:
    """A line for each request, of one function or of all, and all lines of one request."""
    with pytest.raises(urllib.error.HTTPError):
        asked(facts, "chat/completions", {"model": "nobody", "messages": []}, **{"x-correlation-id": "wanted-1"})
    deadline = time.monotonic() + _READY_SECONDS  # log lines arrive with a delay
    while "wanted-1" not in (output := finished(tool(checkout, "logs"))[1]):
        assert time.monotonic() < deadline
    assert re.search(r"stream +POST /v1/messages  200  [\d.]+ ms  \$0\.0000\d\d  key \w{12}  ", output)
    assert re.search(r"completions +POST /api/v1/completions  200  ", output)
    assert re.search(r"POST /v1/chat/completions  400  invalid_request  .*  wanted-1$", output, re.MULTILINE)
    assert "GET /ready" not in output
    assert "REPORT" not in output
    code, output = finished(tool(checkout, "logs", "--id", "wanted-1"))
    assert (code, "refused" in output, len(output.splitlines())) == (0, True, 2)
    code, output = finished(tool(checkout, "logs", "--id", "wanted-1", "--json", "--function", "stream"))
    assert [json.loads(line)["message"] for line in output.splitlines()] == ["refused", "request"]
    assert finished(tool(checkout, "logs", "--function", "nothing"))[0] == 1


def test_a_start_that_fails_and_one_that_is_killed_leave_nothing_behind(checkout: Path) -> None:
    description = checkout / "functions" / "health" / "function.json"
    sound = description.read_text()
    description.write_text(sound.replace('"timeout"', '"timeuot"'))
    code, output = finished(tool(checkout, "run", "--port", str(free_port())))
    assert (code, "timeuot" in output) == (1, True)
    assert [path.name for path in checkout.parent.glob("ai-gateway-*")] == []

    description.write_text(sound)
    port = free_port()
    process = tool(checkout, "run", "--port", str(port))
    assert process.stdout is not None
    while "build" not in (line := process.stdout.readline()):  # the emulator has started
        assert line
    process.kill()
    process.communicate(timeout=_READY_SECONDS)
    deadline = time.monotonic() + _READY_SECONDS
    while list(checkout.parent.iterdir()) != [checkout]:  # also what the build wrote
        assert time.monotonic() < deadline
        time.sleep(0.05)
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=2)
    code, output = finished(tool(checkout, "env"))
    assert (code, output) == (1, "No gateway runs; start one with `make run`.\n")


def test_a_terminal_that_closes_leaves_nothing_behind(checkout: Path) -> None:
    port = free_port()
    process = tool(checkout, "run", "--port", str(port))
    assert process.stdout is not None
    while "emulator" not in (line := process.stdout.readline()):
        assert line
    while "build" not in (line := process.stdout.readline()):  # the emulator has started
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
    assert list(checkout.parent.iterdir()) == [checkout]


@pytest.mark.parametrize("port", ["0", "65536", "-1", "80 80", "abc", ""])
def test_a_port_that_there_is_not(checkout: Path, port: str) -> None:
    code, output = finished(tool(checkout, "run", f"--port={port}"))
    assert (code, output) == (1, f"PORT={port} is not a port. Choose a number from 1 to 65535.\n")


def test_a_missing_emulator_a_missing_key_and_nothing_to_stop(checkout: Path) -> None:
    code, output = finished(tool(checkout, "run", "--port", str(free_port()), "--llm", "openai"))
    assert (code, "OPENAI_API_KEY" in output) == (1, True)
    assert [path.name for path in checkout.parent.glob("ai-gateway-*")] == []
    (checkout / ".local" / "emulator").unlink()
    code, output = finished(tool(checkout, "run", "--port", str(free_port())))
    assert (code, "not installed" in output) == (1, True)
    assert finished(tool(checkout, "stop")) == (0, "No gateway runs.\n")
    assert finished(tool(checkout, "redeploy"))[0] == 1
