"""One X-Ray subsegment per run, so that a trace can be found by its correlation id. It does not use the X-Ray SDK,
which would add 100 ms or more to every cold start.

An independent subsegment is one UDP datagram to the daemon that Lambda runs next to the function: a header line, then
the JSON document (X-Ray Developer Guide, "Sending trace data to X-Ray"). Nothing is sent for a run that is not sampled.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

_HEADER: Final = b'{"format": "json", "version": 1}\n'
_TRACE: Final = re.compile(r"1-[0-9a-f]{8}-[0-9a-f]{24}", re.ASCII)
_SPAN: Final = re.compile(r"[0-9a-f]{16}", re.ASCII)
_NOT_A_NAME: Final = re.compile(r"[^\w\s.:/%&#=+\\\-@]", re.ASCII)


class Tracing(Struct, frozen=True):
    """`header` is Lambda's trace header for this run (_X_AMZN_TRACE_ID), `daemon` is AWS_XRAY_DAEMON_ADDRESS."""

    header: str
    daemon: str

    def annotate(
        self, name: str, started: float, ended: float, annotations: Mapping[str, str | int], status: int = 200
    ) -> bool:
        """Send a subsegment, and return whether one was sent. Times are seconds since the epoch, `status` is the HTTP
        answer's. It never raises: no request may fail for its trace."""
        try:
            parent = self._sampled()
            address = self._address()
            if parent is None or address is None:
                return False
            document: dict[str, Any] = {
                "name": _NOT_A_NAME.sub("-", name)[:200],
                "id": os.urandom(8).hex(),
                "trace_id": parent[0],
                "parent_id": parent[1],
                "type": "subsegment",
                "start_time": started,
                "end_time": max(started, ended),
                "annotations": dict(annotations),
            } | _outcome(status)
            # Imported late: http.client has loaded it already in every function that calls anything.
            import socket

            family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
            with socket.socket(family, socket.SOCK_DGRAM) as sender:
                sender.setblocking(False)
                sender.sendto(_HEADER + json.dumps(document).encode(), address)
        except (OSError, OverflowError, ValueError, TypeError):
            return False
        return True

    def _sampled(self) -> tuple[str, str] | None:
        """Trace id and parent id if this run is sampled, else None."""
        if "Sampled=1" not in self.header:  # most runs are not
            return None
        parts = dict(part.strip().split("=", 1) for part in self.header.split(";") if "=" in part)
        root, parent = parts.get("Root", ""), parts.get("Parent", "")
        known = _TRACE.fullmatch(root) and _SPAN.fullmatch(parent)
        return (root, parent) if known and parts.get("Sampled") == "1" else None

    def _address(self) -> tuple[str, int] | None:
        """Host and UDP port from "host:port" or "tcp:host:port udp:host:port"."""
        places = self.daemon.split()
        place = next((each[4:] for each in places if each.startswith("udp:")), places[0] if places else "")
        host, _, port = place.rpartition(":")
        return (host.strip("[]"), int(port)) if host else None


def _outcome(status: int) -> dict[str, bool]:
    """X-Ray's terms: a fault is ours, an error is the caller's."""
    if status >= 500:
        return {"fault": True}
    return ({"error": True} if status >= 400 else {}) | ({"throttle": True} if status == 429 else {})
