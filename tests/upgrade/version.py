"""A version of the gateway: a folder of code, run in its own process, on tables that other versions share.

This module knows only the form of Lambda's events and of `function.json` (routes, authorizer, event), and no class of
the version.
"""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

_CHILD = Path(__file__).parent / "child.py"
SOURCE = "192.0.2.1"  # the network of the clients
_SOURCES = {"api-key": "x-api-key", "bearer": "authorization"}


class Crashed(Exception):
    """A function raised something, or its process ended."""


@dataclass
class Clock:
    """The time that all versions share, in seconds since the epoch."""

    now: float


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def body(self) -> Any:
        return json.loads(self.text)


@dataclass
class Version:
    """The functions of a folder. A context manager: the process ends with the block."""

    root: Path
    environment: Mapping[str, str]
    clock: Clock
    _process: subprocess.Popen[str] | None = None
    _said: dict[str, Any] = field(default_factory=dict)
    _one: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> Version:
        self._routes = [
            (_pattern(route), route, path.parent.name, access)
            for path in sorted(self.root.glob("functions/*/function.json"))
            if (described := json.loads(path.read_text(encoding="utf-8"))).get("door", "http") == "http"
            for route, access in described.get("routes", {}).items()
        ]
        self._routes.sort(key=lambda each: each[1].count("{"))
        self._process = subprocess.Popen(
            [sys.executable, str(_CHILD)],
            cwd=self.root,
            env=dict(self.environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
        )
        return self

    def __exit__(self, *_: object) -> None:
        process = self._running()
        process.kill()
        process.communicate()

    def kill(self) -> None:
        """Ends the process at once, whatever it is doing, and starts a new one: a new container."""
        self.__exit__()
        self._said.clear()
        self.__enter__()

    def run(self, function: str, event: Any) -> Any:
        """A function's answer to an event. Raises Crashed."""
        command = json.dumps({"now": self.clock.now, "function": function, "event": event})
        process = self._running()
        with self._one:
            if process.stdin is None or process.stdout is None:
                raise AssertionError("a process without pipes")
            try:
                process.stdin.write(command + "\n")
                process.stdin.flush()
                line = process.stdout.readline()
            except (BrokenPipeError, ValueError):
                line = ""
        answer = json.loads(line) if line else {"raised": "its process ended"}
        if "raised" in answer:
            raise Crashed(f"{function}: {answer['raised']}")
        return answer["answer"]

    def ask(self, method: str, url: str, body: Any = None, key: str = "", **headers: str) -> Reply:
        """A request at the HTTP API, with a key in both headers; each route reads its own."""
        path, _, query = url.partition("?")
        sent = {"content-type": "application/json", "host": "localhost"}
        sent |= {"x-api-key": key, "authorization": f"Bearer {key}"} if key else {}
        sent |= {name.replace("_", "-"): text for name, text in headers.items()}
        match, route, folder, access = self._found(f"{method} {path}")
        event = _event(method, path, sent, body, query, route, match.groupdict())
        if access in _SOURCES:
            source = sent.get(_SOURCES[access], "")
            verdict = self.run(self._authorizer(), event | {"identitySource": [source]})
            if not verdict["isAuthorized"]:
                return Reply(403, {}, '{"message": "Refused"}')
            event["requestContext"]["authorizer"] = {"lambda": verdict["context"]}
        answer = self.run(folder, event)
        return Reply(answer["statusCode"], answer["headers"], answer["body"])

    def stream(self, path: str, body: Any, key: str, **headers: str) -> Reply:
        """A POST at the streaming door, whose answer is read to its end."""
        sent = {"authorization": f"Bearer {key}"} | {name.replace("_", "-"): text for name, text in headers.items()}
        event = {"method": "POST", "path": path, "headers": sent, "body": json.dumps(body)}
        answer = self.run("stream", event)
        return Reply(answer["statusCode"], answer["headers"], answer["body"])

    def of_event(self, wanted: str) -> str:
        """The function that a `stream` or a `schedule` starts; for a schedule, the function with this rate."""
        for path in sorted(self.root.glob("functions/*/function.json")):
            event = json.loads(path.read_text(encoding="utf-8")).get("event") or {}
            if wanted in event or wanted == event.get("schedule"):
                return path.parent.name
        raise AssertionError(f"no function is started by {wanted}")

    def _authorizer(self) -> str:
        paths = self.root.glob("functions/*/function.json")
        return next(path.parent.name for path in paths if '"authorizer"' in path.read_text(encoding="utf-8"))

    def _found(self, wanted: str) -> tuple[re.Match[str], str, str, str]:
        for pattern, route, folder, access in self._routes:
            match = pattern.fullmatch(wanted)
            if match:
                return match, route, folder, access
        raise AssertionError(f"no function has the route {wanted}")

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None:
            raise AssertionError("a version is a context")
        return self._process


def _pattern(route: str) -> re.Pattern[str]:
    method, path = route.split(" ")
    pattern = re.sub(r"\{(\w+)\+\}", r"(?P<\1>.+)", path)
    return re.compile(f"{method} " + re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", pattern))


def _event(
    method: str, path: str, headers: Mapping[str, str], body: Any, query: str, route: str, found: Mapping[str, str]
) -> dict[str, Any]:
    sent = "" if body is None else json.dumps(body)
    return {
        "routeKey": route,
        "rawPath": path,
        "headers": dict(headers),
        "queryStringParameters": dict(parse_qsl(query, keep_blank_values=True)),
        "pathParameters": {name: unquote(value) for name, value in found.items()},
        "isBase64Encoded": True,
        "body": base64.b64encode(sent.encode()).decode(),
        "requestContext": {"http": {"method": method, "path": path, "sourceIp": SOURCE}, "requestId": "r"},
    }
