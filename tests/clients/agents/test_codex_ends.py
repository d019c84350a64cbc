"""The table of docs/decisions/0062-ends-that-are-not-sent-again.md is compared, row by row, with the pinned version of
Codex."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.clients.agents.agent import run_codex
from tests.clients.agents.ends import answering, failed, incomplete, status, stream
from tools.local.emulator import ROOT

DECISION = ROOT / "docs" / "decisions" / "0062-ends-that-are-not-sent-again.md"
PROVIDER = 'env_key = "GATEWAY_KEY"\nstream_max_retries = 1\nrequest_max_retries = 1'
# The beginning of each row of the table, with the ends that it describes.
TRIALS = {
    "`response.completed` with `id`": [stream("response.completed"), stream("response.completed", status="incomplete")],
    "`response.completed` that it can't parse": [stream("response.completed", usage={"input_tokens": "x"})],
    "`response.incomplete`, `max_output_tokens`": [incomplete("max_output_tokens")],
    "`response.incomplete`, any other reason": [incomplete("content_filter")],
    "`response.failed`, code `context_length_exceeded`": [failed("context_length_exceeded")],
    "`response.failed`, code `insufficient_quota`": [failed("insufficient_quota")],
    "`response.failed`, code `usage_not_included`": [failed("usage_not_included")],
    "`response.failed`, code `invalid_prompt`, `model_not_found`": [
        failed("invalid_prompt"),
        failed("model_not_found"),
    ],
    "`response.failed`, code `cyber_policy`": [failed("cyber_policy")],
    "`response.failed`, code `server_is_overloaded`": [failed("server_is_overloaded")],
    "`response.failed`, code `slow_down`": [failed("slow_down")],
    "`response.failed`, code `rate_limit_exceeded`": [failed("rate_limit_exceeded", "Please try again in 0.1s.")],
    "`response.failed`, any other code, or none": [failed("server_error"), failed("budget_exceeded"), failed(None)],
    "event `error`": [stream("error")],
    "the end of the stream without one of these": [stream()],
    "HTTP 400": [status(400), status(400, "context_length_exceeded"), status(400, "insufficient_quota")],
    "HTTP 404 with the code `model_not_found`": [status(404, "model_not_found")],
    "HTTP 429": [status(429), status(429, "rate_limit_exceeded")],
    "HTTP 401, 402, 403, 404": [status(code) for code in (401, 402, 403, 404, 409, 413, 422)],
    "HTTP 500, other 5xx": [status(code) for code in (500, 502, 503, 504, 529)],
}


def rows() -> dict[str, list[str]]:
    """The cells of each row by its first cell. Only Codex's own provider uses a WebSocket."""
    lines = [line for line in DECISION.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]
    return {row[0]: row[1:] for row in cells if "WebSocket" not in row[0]}


def test_every_row_is_tried() -> None:
    assert [[name for name in TRIALS if row.startswith(name)] for row in rows()] == [[name] for name in TRIALS]


@pytest.mark.parametrize("name", TRIALS)
def test_what_is_sent_again(tmp_path: Path, name: str) -> None:
    ((made, again),) = [cells for row, cells in rows().items() if row.startswith(name)]
    for code, body in TRIALS[name]:
        with answering(code, body) as (url, came):
            said = run_codex(tmp_path, url, "sk-any", "exec", "-m", "gpt-4o", "Hello?", provider=PROVIDER)
        posted = [path for path in came if path.endswith("/responses")]
        assert (len(posted) > 1) == (again == "yes"), said
        for words in re.findall('"([^"]+)"', made):
            assert words in said.text, said
        assert (said.code == 0) == ("turn's end" in made)
