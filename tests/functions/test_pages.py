"""The pages for people: what they say, that they load nothing from anywhere else, and that at both doors every link of
theirs is answered there."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, NamedTuple
from urllib.parse import urljoin

import pytest

from gateway import settings
from tests.fakes.served import exchanged, served
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


class Door(NamedTuple):
    """Where a door is, and what it answers to a GET: the status and the body."""

    root: str
    get: Callable[[str, str], tuple[int, str]]


def of_the_http_api(path: str, accept: str) -> tuple[int, str]:
    reply = ask(path, accept=accept)
    return reply["statusCode"], reply["body"]


@pytest.fixture(params=["http", "stream", "stream, with its stage"])
def door(request: pytest.FixtureRequest) -> Iterator[Door]:
    if request.param == "http":
        yield Door("", of_the_http_api)
        return
    from functions.stream.handler import app

    with served(app(settings.settings(), threading.Event()), settings.settings()) as port:

        def get(path: str, accept: str) -> tuple[int, str]:
            asked = f"GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\naccept: {accept}\r\n\r\n"
            head, _, body = exchanged(port, asked.encode()).partition(b"\r\n\r\n")
            return int(head.split(b" ")[1]), body.decode()

        yield Door("/live" if "stage" in request.param else "", get)


@pytest.mark.parametrize("place", ["", "/", "/docs"])
def test_every_link_of_the_page_is_answered_by_the_same_door(door: Door, place: str) -> None:
    asked = (door.root + place) or "/"
    status, page = door.get(asked, "text/html")
    assert status == 200
    links = re.findall(r"<a href=\"([^\"]+)\"", page)
    assert len(links) == 3
    for link in links:
        path = urljoin(f"https://x{asked}", link).removeprefix("https://x")
        assert path in (f"{door.root}/openapi.json", f"{door.root}/health")
        status, said = door.get(path, "application/json")
        assert status == 200
        assert json.loads(said).keys() & {"openapi", "status"}


def test_every_place_that_a_program_is_told_of_is_answered_by_the_same_door(door: Door) -> None:
    status, said = door.get(door.root + "/", "*/*")
    facts = json.loads(said)
    assert status == 200
    for name in ("docs", "openapi", "health"):
        assert facts[name].startswith(f"{door.root}/")
        assert door.get(facts[name], "*/*")[0] == 200


def test_a_path_of_an_odd_form_is_never_written_into_the_page() -> None:
    from gateway.api.message import Request
    from gateway.handlers import pages

    for path in ('/a"onclick=', "/<b>", "/é", "/a%22"):
        page = pages._shown(Request("GET /", path, {}, b"")).body
        assert page == pages._page()[0]


def test_no_start_reads_the_page() -> None:
    code = (
        "import sys; sys.path[:0] = ['shared', '.']; import gateway.handlers.pages as pages; "
        "print(pages._page.cache_info().currsize)"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout == "0\n"
