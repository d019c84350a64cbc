"""The pages for people: their content, at both doors, and that they load nothing from anywhere else."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from tools.local.emulator import ROOT

CONTEXT = SimpleNamespace(aws_request_id="aws-1", get_remaining_time_in_millis=lambda: 4_000)


@pytest.fixture(autouse=True)
def environment(gateway_environment: None) -> None:
    """Every test here runs in a function's environment."""


def ask(path: str, **headers: str) -> dict[str, Any]:
    from functions.health.handler import handler

    request = {"http": {"method": "GET", "path": path}, "requestId": "req-1"}
    sent = {"routeKey": f"GET {path}", "rawPath": path, "headers": headers, "requestContext": request, "body": None}
    return handler(sent, CONTEXT)


@pytest.mark.parametrize(("path", "accept"), [("/docs", "*/*"), ("/docs", "text/html"), ("/", "text/html,*/*;q=0.8")])
def test_a_browser_gets_a_page_that_may_run_its_own_script_alone(path: str, accept: str) -> None:
    reply = ask(path, accept=accept)
    text, policy = reply["body"], reply["headers"]["content-security-policy"]
    assert (reply["statusCode"], reply["headers"]["content-type"]) == (200, "text/html; charset=utf-8")
    for name in ("script", "style"):
        (inside,) = re.findall(rf"<{name}>(.*?)</{name}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert not re.search(r"(src|href)=[\"'](https?:)?//", text)
    assert "innerHTML" not in text  # the text of a description is never interpreted as HTML
    assert len(text) < 20_000


def test_a_program_is_told_where_to_look() -> None:
    reply = ask("/", accept="*/*")
    facts = json.loads(reply["body"])
    assert (facts["docs"], facts["openapi"], facts["health"]) == ("/docs", "/openapi.json", "/health")
    assert reply["body"].endswith("}\n")
    assert reply["headers"]["vary"] == "accept"


def test_the_streaming_door_has_the_same_page() -> None:
    from functions.stream.handler import ROUTES

    assert {"GET /", "GET /docs"} <= {route.method_path for route in ROUTES}


def test_no_start_reads_the_page() -> None:
    code = (
        "import sys; sys.path[:0] = ['shared', '.']; import gateway.handlers.pages as pages; "
        "print(pages._page.cache_info().currsize)"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout == "0\n"
