"""The admin's views of the bill: corrections, and a team's statement of a month."""

from __future__ import annotations

from gateway import wiring
from gateway.domain.identity import Caller
from gateway.http.message import Request, Response


def create_correction(request: Request, caller: Caller) -> Response:
    entry, new = wiring.billing().correct(request.json(), caller)
    return Response(201 if new else 200, entry)


def list_corrections(request: Request, _caller: Caller) -> Response:
    return Response(200, wiring.billing().corrections(request.query, request.limit()))


def statement(request: Request, _caller: Caller) -> Response:
    team = request.parameters["id"]
    if request.query.get("format") == "csv":
        page = wiring.billing().statement_csv(team, request.query)
        return Response(200, page.text, page.headers, media_type="text/csv; charset=utf-8")
    return Response(200, wiring.billing().statement(team, request.query))
