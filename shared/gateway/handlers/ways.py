"""The way that a request for a model comes, from its headers and its door."""

from __future__ import annotations

import re
from functools import lru_cache

from msgspec.structs import replace

from gateway.api.message import Request
from gateway.calls.completions import Way
from gateway.errors import BadRequest

_WAKE_SECONDS = 1.0  # how soon a hang-up of the client is noticed while a provider is silent
# The provider of a dialect keeps its list of versions, and the list is open: any well-formed version is passed on.
_VERSION = re.compile(r"[A-Za-z0-9._-]{1,40}", re.ASCII)


def way_of(request: Request, dialect: str) -> Way:
    """The way of this request. Raises BadRequest for a malformed version."""
    beta = request.headers.get("anthropic-beta", "")
    version = request.headers.get("anthropic-version", "") if dialect == "messages" else ""
    if version and not _VERSION.fullmatch(version):
        message = (
            "anthropic-version: must be a version such as 2023-06-01, of at most 40 letters, digits, dots and dashes"
        )
        raise BadRequest(message, param="anthropic-version")
    plain = _plain(dialect, request.streams)
    return replace(plain, beta=beta, version=version) if beta or version else plain


@lru_cache(maxsize=16)
def _plain(dialect: str, streams: bool) -> Way:
    return Way(dialect, streams, wake=_WAKE_SECONDS if streams else None)
