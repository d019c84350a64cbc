"""A picture of a terminal: `make run`, a call and its cost, as a real run printed them."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

from tools.docs.svg import Picture
from tools.local.emulator import ROOT
from tools.local.gateway import Steps, running

SEEN = ROOT / "docs" / "pictures" / "run.txt"
_LINE = 19
_CALL = """curl -s $URL/v1/chat/completions -H "Authorization: Bearer $KEY" -H 'content-type: application/json' \\
    -d '{"model": "claude-sonnet", "messages": [{"role": "user", "content": "Hello!"}]}'"""
_REPORT = 'curl -s "$URL/api/v1/admin/usage?group_by=model" -H "X-API-Key: $ADMIN"'
_PAPER, _INK, _PROMPT, _FAINT, _COST = "#101820", "#e6edf3", "#7ee787", "#8b98a5", "#ffd866"


def record() -> None:
    """Start a gateway as `make run` does, make a call, and keep what was printed."""
    said = StringIO()
    with redirect_stdout(said):
        steps = Steps()
        with running(None, "emulator", steps) as gateway:
            seconds = steps.seconds
            names = f"URL={gateway.emulator.base_url}; KEY={gateway.keys['free']}; ADMIN={gateway.keys['admin']}; "
            answer = _said(names + _CALL)
            report = _report(names + _REPORT)
    steps_said = said.getvalue().rstrip().splitlines()
    shown = [*steps_said[:3], "         ...", *steps_said[-2:], f"  {seconds:5.1f} s  ready"]
    lines = ["$ make run", "Starting the gateway on http://127.0.0.1:8080", *shown, ""]
    lines += ['$ eval "$(make env)"', *f"$ {_CALL}".splitlines(), *_of_a_call(answer), ""]
    lines += [f"$ {_REPORT}", *_of_a_report(report)]
    SEEN.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _said(command: str) -> Any:
    """What a command's answer says."""
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def _report(command: str) -> Any:
    """The bill, as soon as it has the call."""
    deadline = time.monotonic() + 60
    while not (report := _said(command))["data"] and time.monotonic() < deadline:
        time.sleep(0.2)
    return report


def _money(dollars: float) -> str:
    return f"{dollars:.6f}".rstrip("0")


def _of_a_call(told: Any) -> Iterator[str]:
    """What a reader looks for, the rest left out: the answer's text, the tokens, the cost."""
    usage = told["usage"]
    text = json.dumps(told["choices"][0]["message"]["content"])
    tokens = f'"prompt_tokens": {usage["prompt_tokens"]}, "completion_tokens": {usage["completion_tokens"]}'
    yield f'{{..."choices": [{{..."message": {{..."content": {text}}}, ...'
    yield f' "usage": {{{tokens}, ... "cost": {_money(usage["cost"])}, ...'


def _of_a_report(told: Any) -> Iterator[str]:
    (row,) = told["data"]
    counted = f'"model": "{row["model"]}", "requests": {row["requests"]}'
    yield f'{{..."data": [{{{counted}, ... "cost": {_money(row["cost"])}, ...'


def _colour(line: str) -> str:
    if '"cost"' in line:
        return _COST
    return _FAINT if re.match(r" +[\d.]+ s|  +\.\.\.", line) else _INK


def picture(seen: str) -> Picture:
    lines = seen.rstrip("\n").splitlines()
    made = Picture(920, 44 + _LINE * len(lines), "A terminal: make run, a call to the gateway, and what the call cost")
    made.shapes.append(f"<rect width='{made.width}' height='{made.height}' rx='8' fill='{_PAPER}'/>")
    for at, colour in enumerate(("#ff5f56", "#ffbd2e", "#27c93f")):
        made.shapes.append(f"<circle cx='{20 + at * 18}' cy='16' r='5' fill='{colour}'/>")
    mono = "font-family='ui-monospace,SFMono-Regular,Menlo,Consolas,Liberation Mono,monospace' xml:space='preserve'"
    typed = False
    for at, line in enumerate(lines):
        typed = line.startswith("$ ") or (typed and lines[at - 1].endswith("\\"))
        colour = _PROMPT if typed else _colour(line)
        made.text(16, 46 + at * _LINE, line, size=13, fill=colour, more=mono)
    return made
