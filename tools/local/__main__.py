"""`python -m tools.local`: the commands behind `make run`, `stop`, `env`, `logs` and `redeploy`."""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
import time
from contextlib import suppress
from dataclasses import replace
from functools import partial
from types import FrameType
from typing import Any

from tools.build import BuildError
from tools.local import state
from tools.local.adopt import adopt
from tools.local.deploy import ALIAS, Deployer, Deployment
from tools.local.emulator import REGION, ROOT, EmulatorError, listen
from tools.local.gateway import Gateway, Steps, built, running, session, sources
from tools.local.logs import Printer, events, show
from tools.local.modes import FIRST_MODEL, MODES
from tools.manifest import ManifestError, Names, load

_STOP_SECONDS = 120.0  # fifty workers leave fifty folders, whose removal takes time


def run(arguments: argparse.Namespace) -> int:
    """Serve until Ctrl-C, SIGTERM, or the end of the terminal."""
    port = _port(arguments.port)
    other = state.read()
    if other:
        raise EmulatorError(
            f"A gateway runs already: {other['base_url']} (process {other['pid']}). `make stop` ends it."
        )
    signal.signal(signal.SIGTERM, _interrupt)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup ignores it
        signal.signal(signal.SIGHUP, _interrupt)
    steps = Steps()
    print(f"Starting the gateway on http://127.0.0.1:{port}", flush=True)
    try:
        with running(port, arguments.llm, steps, split=arguments.doors == "split") as gateway:
            state.write(_facts(gateway))
            print(f"  {steps.seconds:5.1f} s  ready\n{_greeting(gateway, arguments.llm)}", flush=True)
            code = gateway.emulator.process.wait()
            print(f"The emulator ended by itself ({code}):\n{gateway.emulator.log()}", file=sys.stderr)
            return 1
    except KeyboardInterrupt:
        print("\nStopped; nothing is left behind.")
        return 0
    finally:
        if not other:
            state.remove()


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def stop(_arguments: argparse.Namespace) -> int:
    facts = state.read()
    if facts is None:
        print("No gateway runs.")
        return 0
    os.kill(facts["pid"], signal.SIGTERM)
    deadline = time.monotonic() + _STOP_SECONDS
    while state.read() is not None:
        if time.monotonic() > deadline:
            raise EmulatorError(f"Process {facts['pid']} does not end.")
        time.sleep(0.1)
    print("Stopped.")
    return 0


def env(_arguments: argparse.Namespace) -> int:
    """Print what another shell needs: `eval $(make env)`."""
    facts = state.read()
    if facts is None:
        raise EmulatorError("No gateway runs; start one with `make run`.")
    keys = facts["keys"]
    told = {"URL": facts["base_url"], "STREAM_URL": facts["stream_url"], "KEY": keys["premium"], "ADMIN": keys["admin"]}
    for name, text in told.items():
        print(f"export {name}={shlex.quote(str(text))};")
    return 0


def logs(arguments: argparse.Namespace) -> int:
    """Print the logs of all functions, or of one, oldest first."""
    _, deployment, deployer = _running()
    groups, wanted = deployment.functions, arguments.function
    if wanted and wanted not in groups:
        raise EmulatorError(f"There is no function {wanted}; choose of {', '.join(groups)}.")
    found = events(deployer.client("logs"), {wanted: groups[wanted]} if wanted else groups, follow=arguments.follow)
    printer = Printer(colours=sys.stdout.isatty() and "NO_COLOR" not in os.environ, wanted=arguments.id)
    with suppress(KeyboardInterrupt, BrokenPipeError):
        if not show(found, printer, partial(print, flush=True), as_json=arguments.json) and arguments.id:
            raise EmulatorError(f"No line of the log has the id {arguments.id}.")
    return 0


def redeploy(_arguments: argparse.Namespace) -> int:
    """Deploy changed code to the running gateway."""
    started = time.monotonic()
    facts, deployment, deployer = _running()
    source = sources()
    if source == facts["sources"]:
        print(f"nothing changed; done in {time.monotonic() - started:.1f} s")
        return 0
    result = built()
    made = {name: artifact.sha256 for name, artifact in result.artifacts.items()}
    changed = {name for name, digest in made.items() if digest != facts["artifacts"].get(name)}
    added = changed - {"layer-dependencies", "layer-gateway"} - set(deployment.functions)
    if added:
        raise EmulatorError(f"New functions need a new start: {', '.join(sorted(added))}.")
    deployer.redeploy(result, deployment, changed)
    if changed & {"stream", "layer-dependencies", "layer-gateway"}:
        listen(str(facts["host_url"]), deployment.functions["stream"], ALIAS)
    state.write(facts | {"layers": deployment.layers, "sources": source, "artifacts": made})
    print(f"{', '.join(sorted(changed)) or 'nothing'} changed; done in {time.monotonic() - started:.1f} s")
    return 0


def adopt_table(arguments: argparse.Namespace) -> int:
    """Let the running gateway use another table in place of one, such as a restored one (docs/restore.md)."""
    if not arguments.name or not arguments.table:
        raise EmulatorError("adopt needs --table, a name of shared/tables.json, and --name, the restored table's.")
    facts, deployment, deployer = _running()
    tables = adopt(deployer, load(ROOT), deployment, arguments.table, arguments.name)
    listen(str(facts["host_url"]), deployment.functions["stream"], ALIAS)
    state.write(facts | {"tables": tables})
    print(f"{arguments.table} is {arguments.name} now")
    return 0


def _running() -> tuple[dict[str, Any], Deployment, Deployer]:
    facts = state.read()
    if facts is None:
        raise EmulatorError("No gateway runs; start one with `make run`.")
    deployer = Deployer(session(facts["endpoint"]), load(ROOT), "local")
    deployer.names = replace(deployer.names, tables=facts.get("tables", {}))
    names: Names = deployer.names
    manifest = load(ROOT)
    functions = {folder: names.function(folder, manifest.functions[folder]) for folder in facts["functions"]}
    tables = {table: names.table(table) for table in manifest.tables}
    return facts, Deployment(names, facts["api_id"], functions, tables, facts["layers"]), deployer


def _facts(gateway: Gateway) -> dict[str, object]:
    return {
        "base_url": gateway.emulator.base_url,
        "region": REGION,
        "stream_url": _stream_url(gateway),
        "endpoint": gateway.emulator.endpoint,
        "host_url": gateway.emulator.host_url,
        "prefix": gateway.deployment.names.prefix,
        "api_id": gateway.deployment.api_id,
        "functions": list(gateway.deployment.functions),
        "layers": gateway.deployment.layers,
        "sources": gateway.sources,
        "artifacts": {name: made.sha256 for name, made in gateway.built.artifacts.items()},
        "processes": [process.pid for process in gateway.emulator.processes],
        "pid": os.getpid(),
        "keys": gateway.keys,
    }


def _stream_url(gateway: Gateway) -> str:
    """The URL at which /v1 streams."""
    emulator = gateway.emulator
    return emulator.stream_url if emulator.http_port == emulator.port else emulator.base_url


def _greeting(gateway: Gateway, mode: str) -> str:
    stream = _stream_url(gateway)
    url, free, admin = gateway.emulator.base_url, gateway.keys["free"], gateway.keys["admin"]
    chat = f"""{{"model": "{FIRST_MODEL[mode]}", "messages": [{{"role": "user", "content": "Hello!"}}]}}"""
    asked = chat.removesuffix("}") + ', "stream": true}'
    message = chat.removesuffix("}") + ', "max_tokens": 100}'
    apart = (
        "" if stream == url else f"\nThe doors are separate: the HTTP API is at {url}, the streaming door at {stream}\n"
    )
    return f"""{apart}
Try it:

  curl -s {url}/health

  curl -s {url}/api/v1/completions -H 'X-API-Key: {free}' \\
    -H 'content-type: application/json' -d '{chat}'

  curl -s {url}/v1/chat/completions -H 'Authorization: Bearer {free}' \\
    -H 'content-type: application/json' -d '{chat}'

  curl -sN {stream}/v1/chat/completions -H 'Authorization: Bearer {free}' \\
    -H 'content-type: application/json' -d '{asked}'

  curl -s {stream}/v1/messages -H 'x-api-key: {free}' -H 'anthropic-version: 2023-06-01' \\
    -H 'content-type: application/json' -d '{message}'

  curl -s {stream}/v1/models -H 'Authorization: Bearer {free}'

{_agents(stream, gateway.keys["premium"], FIRST_MODEL[mode])}

  curl -s '{url}/api/v1/admin/usage?group_by=model' -H 'X-API-Key: {admin}'

  curl -s {url}/api/v1/admin/config -H 'X-API-Key: {admin}'

In another shell, `eval $(make env)` sets URL, KEY and ADMIN, and `make logs FOLLOW=1` shows each request as it comes.
Demo keys and addresses are in .local/gateway.json. Ctrl-C ends everything.
"""


def _agents(url: str, key: str, model: str) -> str:
    """The commands that start coding agents; docs/clients.md has the others. Claude Code adds /v1 to its address
    itself. A key of the free tier is too limited for an agent, which sends many requests."""
    how = 'auth={command="printenv", args=["GATEWAY_KEY"]}'
    provider = f'{{name="AI Gateway", base_url="{url}/v1", wire_api="responses", {how}}}'
    return f"""  ANTHROPIC_BASE_URL={url} ANTHROPIC_API_KEY={key} claude --model {model}

  GATEWAY_KEY={key} codex -m {model} -c model_provider=gateway \\
    -c 'model_providers.gateway={provider}'"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="tools.local", description=__doc__)
    parser.add_argument("command", choices=["run", "stop", "env", "logs", "redeploy", "adopt"])
    parser.add_argument("--port", default="8080")
    parser.add_argument("--llm", choices=MODES, default="emulator")
    parser.add_argument("--doors", choices=["one", "split"], default="one")
    parser.add_argument("--function", default="", help="logs: only of one function")
    parser.add_argument("--id", default="", help="logs: only of one request, by any id in its answer")
    parser.add_argument("--follow", action="store_true", help="logs: print new lines as they come, until Ctrl-C")
    parser.add_argument("--json", action="store_true", help="logs: whole lines, as the functions write them")
    parser.add_argument("--table", default="", help="adopt: which table of shared/tables.json")
    parser.add_argument("--name", default="", help="adopt: the real name of the table that replaces it")
    arguments = parser.parse_args()
    commands = {"run": run, "stop": stop, "env": env, "logs": logs, "redeploy": redeploy, "adopt": adopt_table}
    try:
        return commands[arguments.command](arguments)
    except (EmulatorError, BuildError, ManifestError) as error:
        print(error, file=sys.stderr)
        return 1


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65_535):
        raise EmulatorError(f"PORT={text} is not a port. Choose a number from 1 to 65535.")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
