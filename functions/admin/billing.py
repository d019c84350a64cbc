"""The admin's views of the bill: corrections, and a team's monthly statement."""

from __future__ import annotations

from functions.admin.asked import identifier, seen
from gateway.api.message import Request, Response
from gateway.billing.reports import NO_TEAM
from gateway.identity.caller import Caller
from gateway.identity.key_text import TEAM_ID
from gateway.keys.rights import check_sight
from gateway.wiring import gateway


def create_correction(request: Request, caller: Caller) -> Response:
    entry, new = gateway().billing.correct(request.json(), caller)
    return Response(201 if new else 200, entry)


def list_corrections(request: Request, caller: Caller) -> Response:
    return Response(200, gateway().billing.corrections(seen(request, caller), request.limit()))


def statement(request: Request, caller: Caller) -> Response:
    team = identifier(request, f"{NO_TEAM}|{TEAM_ID}", "team")
    check_sight(caller, "" if team == NO_TEAM else team)
    if request.query.get("format") == "csv":
        page = gateway().billing.statement_csv(team, request.query)
        return Response(200, page.text, page.headers, media_type="text/csv; charset=utf-8")
    return Response(200, gateway().billing.statement(team, request.query))
