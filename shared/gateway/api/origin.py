"""The guard against DNS rebinding: it refuses a page's script that reaches us under its own host name.

Both checks come from the MCP specification (Streamable HTTP, "Security Warning"). Clients other than browsers send no
Origin. API Gateway answers only for host names that it knows, but a gateway on a developer's machine answers for any.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from gateway.errors import Forbidden

_OWN = re.compile(
    r"localhost|127\.0\.0\.1|\[::1\]|[a-z0-9-]+\.execute-api\.(localhost|[a-z0-9-]+\.amazonaws\.com(\.cn)?)", re.ASCII
)


def check_origin(headers: Mapping[str, str], origins: Sequence[str], hosts: Sequence[str]) -> None:
    """Raises Forbidden unless the Host is ours and the Origin, if there is one, is allowed or has the same host.

    `hosts` are the names of custom domains. `origins` have the form https://app.example.com; "*" allows every origin.
    """
    host = _name(f"//{headers.get('host', '')}")
    if not _OWN.fullmatch(host) and host not in {name.lower() for name in hosts}:
        raise Forbidden("This host does not serve MCP.", code="host_not_allowed")
    origin = headers.get("origin")
    if origin is None or "*" in origins or origin.lower() in {name.lower().rstrip("/") for name in origins}:
        return
    if not origin.startswith(("http://", "https://")) or _name(origin) != host:
        raise Forbidden("This origin may not call the MCP server.", code="origin_not_allowed")


def _name(url: str) -> str:
    """The host name of a URL as in a Host header, without its port; empty if it is not a plain URL."""
    if "@" in url:
        return ""
    try:
        name = urlsplit(url).hostname or ""
    except ValueError:
        return ""
    return f"[{name}]" if ":" in name else name
