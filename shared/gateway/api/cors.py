"""What a browser is told at a door that is asked itself: the HTTP API answers preflights on its own."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

# Beside the package, in the checkout and in the layer alike: Terraform and the local deployer read it too.
_FILE = Path(__file__).parent.parent.parent / "cors.json"


def preflight(methods: Iterable[str]) -> dict[str, str]:
    """Headers of an answer to OPTIONS, for a path that is asked by these methods."""
    said = _said()
    return {
        "allow": ", ".join((*methods, "OPTIONS")),
        "access-control-allow-origin": "*",
        "access-control-allow-methods": ", ".join(methods),
        "access-control-allow-headers": ", ".join(said["allow_headers"]),
        "access-control-max-age": str(said["max_age"]),
    }


def shown(origin: str | None) -> Mapping[str, str]:
    """Headers that let a page's script read an answer and its headers; none where no page asks."""
    if origin is None:
        return {}
    return {
        "access-control-allow-origin": "*",
        "access-control-expose-headers": ", ".join(_said()["expose_headers"]),
    }


@lru_cache(maxsize=1)
def _said() -> dict[str, Any]:
    read: dict[str, Any] = json.loads(_FILE.read_bytes())
    return read
