"""How a test tells the fake how to answer a request: with headers, with words in the prompt, or with a script in the
process."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

_DIRECTIVE = re.compile(r"\[\[fake\s+(.*?)\]\]", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Steer:
    """The form of one answer. Every field has a header (`x-fake-retry-after`) and a word (`retry-after=7`).

    Timing, in seconds: `delay` before the first byte; `drip` between single bytes, from the `drip_from` part on;
    `chunk_delay` between the events of a stream. All events after `held` wait for `FakeUpstream.let`. `reset` breaks
    the connection: "before" any byte, within the "headers", or within the "body" (for a stream: after `after` events).
    With "after", it is closed in order after a whole answer; "end" ends a stream in order, but early, after `after`
    events.

    `body`: "malformed", "schema", "no-usage", "zero-usage", "huge" (of `size` bytes), "gzip", "empty", "cut" (ends
    early, in order) or "list". `tool` is called with `arguments`; several tools, "one,two", are called at once, with a
    list of as many arguments. `stream_error` ends a stream with that error. `exact` is a given body, `header` a further
    header ("name: value"), `wire` the whole answer including the status line, after which the connection ends. All
    three are sent unchanged, byte by byte (latin-1).
    """

    status: int = 200
    retry_after: str = ""
    retry_after_ms: str = ""
    delay: float = 0.0
    drip: float = 0.0
    drip_from: str = "body"
    chunk_delay: float = 0.0
    held: int = 0
    reset: str = ""
    after: int = 1
    body: str = ""
    size: int = 8_000_000
    location: str = ""
    code: str = ""
    param: str = ""
    message: str = ""
    error_type: str = ""
    text: str = ""
    finish: str = ""
    tool: str = ""
    arguments: str = "{}"
    reasoning: str = ""
    cached: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    reasoning_tokens: int = 0
    stream_error: str = ""
    exact: str = ""
    header: str = ""
    wire: str = ""

    @property
    def calls(self) -> list[tuple[str, str, str]]:
        """The tools that are called at once: the suffix of each id (empty for the first), name, arguments as JSON."""
        names = self.tool.split(",") if self.tool else []
        given = (
            [json.dumps(each) for each in json.loads(self.arguments)]
            if len(names) > 1
            else [self.arguments] * len(names)
        )
        return [(f"_{at}" if at else "", *call) for at, call in enumerate(zip(names, given, strict=True))]


_TYPES: Mapping[str, type] = {"int": int, "float": float, "str": str}
_FIELDS = {field.name: _TYPES[str(field.type)] for field in fields(Steer)}


def steer_from(headers: Mapping[str, str], prompt: str) -> Steer:
    """The steering in a request's headers, and in `[[fake status=503 text="two words"]]` of its last user message.

    Raises ValueError for an unknown word, so that a test with a typo fails.
    """
    words: dict[str, str] = {
        name.lower().removeprefix("x-fake-"): value
        for name, value in headers.items()
        if name.lower().startswith("x-fake-")
    }
    for directive in _DIRECTIVE.findall(prompt):
        words.update(_words(shlex.split(directive)))
    return Steer(**{_name(word): _FIELDS[_name(word)](value) for word, value in words.items()})


def _words(parts: Iterable[str]) -> dict[str, str]:
    found = {}
    for part in parts:
        name, equals, value = part.partition("=")
        if not equals:
            raise ValueError(f"not a directive: {part}")
        found[name] = value
    return found


def _name(word: str) -> str:
    name = word.replace("-", "_")
    if name not in _FIELDS:
        raise ValueError(f"not a directive: {word}")
    return name


def last_user_text(messages: Iterable[Any]) -> str:
    """The text of the last user message, in OpenAI's or Converse's form."""
    for message in reversed(list(messages)):
        if isinstance(message, dict) and message.get("role") == "user":
            return text_of(message.get("content"))
    return ""


def text_of(content: Any) -> str:
    """The text of a message's content: a string, or parts with a `text`."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return " ".join(part["text"] for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str))
