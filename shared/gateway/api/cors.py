"""CORS headers for a door that answers preflights itself. (In front of the other doors the HTTP API answers them.)"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

# Next to the package, both in the checkout and in the layer. Terraform and the local deployer read it too.
_FILE = Path(__file__).parent.parent.parent / "cors.json"


def preflight(methods: Iterable[str], origin: str | None, origins: Sequence[str]) -> dict[str, str]:
    """Headers of an answer to OPTIONS, for a path that has these methods. `origins` are those whose pages may call,
    "*" for all."""
    allow = {"allow": ", ".join((*methods, "OPTIONS"))}
    allowed = _allowed(origin, origins)
    if not allowed:
        return allow
    said = _said()
    return {
        **allow,
        **allowed,
        "access-control-allow-methods": ", ".join(methods),
        "access-control-allow-headers": ", ".join(said["allow_headers"]),
        "access-control-max-age": str(said["max_age"]),
    }


def shown(origin: str | None, origins: Sequence[str]) -> Mapping[str, str]:
    """Headers that let a page's script read an answer and its headers; none if no page asks, or it may not call."""
    allowed = _allowed(origin, origins)
    return {**allowed, "access-control-expose-headers": ", ".join(_said()["expose_headers"])} if allowed else {}


def _allowed(origin: str | None, origins: Sequence[str]) -> dict[str, str]:
    if origin is None or not origins:
        return {}
    if "*" in origins:
        return {"access-control-allow-origin": "*"}
    if origin not in origins:
        return {}
    return {"access-control-allow-origin": origin, "vary": "origin"}


@lru_cache(maxsize=1)
def _said() -> dict[str, Any]:
    read: dict[str, Any] = json.loads(_FILE.read_bytes())
    return read
