"""Finds the route of a request at a door that gets every path. The path may come as it is, with the API's stage in
front, or without the base path that a custom domain maps this door under."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import unquote

from msgspec import Struct

BASE = "/v1"  # the base path that a custom domain maps this door under, and removes
_STAGE = re.compile(r"/[A-Za-z0-9_-]{1,128}(?=/|$)", re.ASCII)
_PARAMETER = re.compile(r"\{(\w+)(\+?)\}")


class Found(Struct, frozen=True):
    """A route's path as it is described, the values of its parameters, and the path's methods."""

    path: str
    parameters: Mapping[str, str]
    methods: tuple[str, ...]


class Paths:
    """The paths of some routes, by "METHOD /path"."""

    def __init__(self, method_paths: Iterable[str]) -> None:
        methods: dict[str, list[str]] = {}
        for method_path in method_paths:
            method, path = method_path.split(" ")
            methods.setdefault(path, []).append(method)
        self._methods = {path: tuple(found) for path, found in methods.items()}
        self._patterns = [(path, _pattern(path)) for path in self._methods if "{" in path]

    def find(self, path: str) -> Found | None:
        """The route's path for a request's path, which is percent-encoded as it was sent; None if no route has it."""
        for spelled in _spellings(path):
            if spelled in self._methods and "{" not in spelled:
                return Found(spelled, {}, self._methods[spelled])
            for described, pattern in self._patterns:
                match = pattern.fullmatch(spelled)
                if match:
                    parameters = {name: unquote(value) for name, value in match.groupdict().items()}
                    return Found(described, parameters, self._methods[described])
        return None


def _spellings(path: str) -> Iterator[str]:
    """The paths that may be meant, the likeliest first."""
    yield path
    yield BASE + path
    stage = _STAGE.match(path)
    if stage is not None:
        rest = path[stage.end() :] or "/"
        yield rest
        yield BASE + rest


def _pattern(path: str) -> re.Pattern[str]:
    parts = _PARAMETER.split(path)  # text, name, "+" or "", text, ...
    found = re.escape(parts[0])
    for name, greedy, text in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        found += f"(?P<{name}>{'.+' if greedy else '[^/]+'})" + re.escape(text)
    return re.compile(found, re.DOTALL)
