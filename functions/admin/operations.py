"""The admin's views of the whole gateway: its config, circuit breakers, metrics and usage."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from functions.admin.asked import seen
from gateway.api.message import Request, Response
from gateway.identity.caller import Caller
from gateway.wiring import gateway


def get_config(_request: Request, _caller: Caller) -> Response:
    return _config(*gateway().config_admin.effective())


def post_config(request: Request, caller: Caller) -> Response:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    changed = gateway().config_admin.update(request.json(), by=caller.key_id, at=now, if_match=request.if_match())
    return _config(*changed)


def _config(version: int, document: dict[str, Any]) -> Response:
    missing = gateway().config_admin.missing(document)
    return Response(200, {"version": version, "config": document, "missing": missing}, {"etag": f'"{version}"'})


def metrics(request: Request, caller: Caller) -> Response:
    return Response(200, gateway().reports.metrics(seen(request, caller)))


def usage(request: Request, caller: Caller) -> Response:
    query = seen(request, caller)
    if query.get("format") == "csv":
        page = gateway().reports.usage_csv(query)
        return Response(200, page.text, page.headers, media_type="text/csv; charset=utf-8")
    return Response(200, gateway().reports.usage(query))


def get_breakers(_request: Request, _caller: Caller) -> Response:
    return Response(200, gateway().breaker_admin.states())


def post_breakers(request: Request, caller: Caller) -> Response:
    return Response(200, gateway().breaker_admin.act(request.json(), caller))
