"""How a request for a model comes, by its headers and its door."""

from __future__ import annotations

import re

from gateway.api.message import Request
from gateway.calls.completions import Way
from gateway.errors import BadRequest

_WAKE_SECONDS = 1.0  # while a provider is silent: how soon a client that has hung up is seen
# Versions are an open list, which the provider of a dialect keeps: what has the form of one is passed on.
_VERSION = re.compile(r"[A-Za-z0-9._-]{1,40}", re.ASCII)


def way_of(request: Request, dialect: str) -> Way:
    """Raises BadRequest for what can be no version."""
    version = request.headers.get("anthropic-version", "") if dialect == "messages" else ""
    if version and not _VERSION.fullmatch(version):
        message = (
            "anthropic-version: must be a version such as 2023-06-01, of at most 40 letters, digits, dots and dashes"
        )
        raise BadRequest(message, param="anthropic-version")
    return Way(
        dialect,
        streams=request.streams,
        wake=_WAKE_SECONDS if request.streams else None,
        beta=request.headers.get("anthropic-beta", ""),
        version=version,
    )
