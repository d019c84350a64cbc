"""Prints the functions' logs for people: a line for each request, and all problems; or all lines of one request id."""

from __future__ import annotations

import json
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

_POLL_SECONDS = 0.5
_LATE_MS = 5_000  # lines of different functions are unordered, and some come late
_MOST_REFUSALS = 1_000
_PLATFORM = re.compile(r"(START|END|REPORT|INIT_START) ")
_PROBES = ("GET /ready",)  # sent by the process that starts the server
_IDS = ("correlation_id", "request_id", "gateway_request_id")
_USUAL = frozenset(("level", "location", "message", "timestamp", "service", "key_id", "xray_trace_id", *_IDS))
# Control characters of terminals, which a client may put into a path. Line feeds and tabs stay.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_RED, _YELLOW, _GREEN, _DIM, _END = "\033[31m", "\033[33m", "\033[32m", "\033[2m", "\033[0m"


@dataclass(slots=True)
class Printer:
    """Turns log lines into lines for people. `wanted` is a request's id (`x-correlation-id`, `x-request-id`, or
    `x-gateway-request-id` of an answer). With it, all lines of that request are shown, and nothing else."""

    colours: bool = False
    wanted: str = ""
    _refused: OrderedDict[str, str] = field(default_factory=OrderedDict)

    def shown(self, function: str, text: str) -> str | None:
        """The text to print for a log line, or None to print nothing."""
        try:
            line = json.loads(text)
        except ValueError:
            line, text = None, _plain(text)
        if not isinstance(line, dict):  # from the runtime or a crashed function, of an unknown request
            quiet = self.wanted or not text.strip() or _PLATFORM.match(text)
            return None if quiet else f"{'':12}  {function:<12} {text.rstrip()}"
        if self.wanted and self.wanted not in [line.get(name) for name in _IDS]:
            return None
        line = {_plain(name): _plain(value) if isinstance(value, str) else value for name, value in line.items()}
        message = line.get("message")
        if message == "refused":
            self._refused[str(line.get("request_id"))] = str(line.get("code"))
            if len(self._refused) > _MOST_REFUSALS:
                self._refused.popitem(last=False)
        if message == "request" and (self.wanted or line.get("route") not in _PROBES):
            return self._request(function, line)
        if self.wanted or line.get("level") in ("WARNING", "ERROR", "CRITICAL"):
            return self._other(function, line)
        return None

    def _request(self, function: str, line: Mapping[str, Any]) -> str:
        status = line.get("status")
        colour = _GREEN if isinstance(status, int) and status < 400 else _RED if status in range(500, 600) else _YELLOW
        parts = [str(line.get("route")), self._in(colour, str(status))]
        code = self._refused.pop(str(line.get("request_id")), "")
        parts += [code] if code else []
        parts.append(f"{line.get('duration_ms')} ms")
        parts += [f"${line['cost_usd']:.6f}"] if isinstance(line.get("cost_usd"), (int, float)) else []
        parts += [f"key {line['key_id']}"] if line.get("key_id") else []
        return self._line(function, line, "  ".join(parts), self._in(_DIM, str(line.get("correlation_id", ""))))

    def _other(self, function: str, line: Mapping[str, Any]) -> str:
        level = str(line.get("level"))
        facts = " ".join(f"{name}={_told(value)}" for name, value in line.items() if name not in (*_USUAL, "exception"))
        exception = f"\n{line['exception']}" if line.get("exception") else ""
        colour = _RED if level in ("ERROR", "CRITICAL") else _YELLOW if level == "WARNING" else ""
        said = f"{self._in(colour, level)}  {line.get('message')}  {self._in(_DIM, facts)}"
        return self._line(function, line, said, self._in(_DIM, str(line.get("correlation_id", "")))) + exception

    def _line(self, function: str, line: Mapping[str, Any], said: str, mark: str) -> str:
        return f"{_clock(line.get('timestamp'))}  {function:<12} {said}  {mark}".rstrip()

    def _in(self, colour: str, text: str) -> str:
        return f"{colour}{text}{_END}" if self.colours and colour and text else text


def events(client: Any, groups: Mapping[str, str], *, follow: bool) -> Iterator[tuple[str, str]]:
    """The function and the text of each line, oldest first. With `follow`, it goes on without end.
    `groups` maps functions' own names to their real names."""
    since, seen = 0, OrderedDict[str, None]()
    while True:
        found = sorted(_since(client, groups, since), key=lambda each: each[0])
        for moment, identifier, function, text in found:
            if identifier not in seen:
                seen[identifier] = None
                yield function, text
            since = max(since, moment - _LATE_MS)
        while len(seen) > 100_000:
            seen.popitem(last=False)
        if not follow:
            return
        time.sleep(_POLL_SECONDS)


def show(
    lines: Iterable[tuple[str, str]], printer: Printer, out: Callable[[str], None], *, as_json: bool = False
) -> int:
    """Print the lines for people or, with `as_json`, the log lines themselves. Returns how many were printed."""
    printed = 0
    for function, text in lines:
        shown = printer.shown(function, text)
        if as_json and (shown is not None or not printer.wanted):
            shown = text.rstrip()
        if shown is not None:
            out(shown)
            printed += 1
    return printed


def _since(client: Any, groups: Mapping[str, str], since: int) -> Iterator[tuple[int, str, str, str]]:
    for function, name in groups.items():
        pages = client.get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/{name}", startTime=since)
        for page in pages:
            for event in page["events"]:
                identifier = event.get("eventId") or f"{event['logStreamName']}{event['timestamp']}{event['message']}"
                yield event["timestamp"], identifier, function, event["message"]


def _clock(timestamp: object) -> str:
    try:
        return datetime.fromisoformat(str(timestamp)).astimezone().strftime("%H:%M:%S.%f")[:12]
    except ValueError:
        return f"{'':12}"


def _plain(text: str) -> str:
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def _told(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
