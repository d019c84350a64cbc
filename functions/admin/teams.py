"""The admin's views of teams."""

from __future__ import annotations

from gateway import wiring
from gateway.domain.identity import Caller
from gateway.http.message import Request, Response
from gateway.services.teams import shown
from gateway.stores.keys import TeamRecord


def list_teams(request: Request, _caller: Caller) -> Response:
    records, cursor = wiring.teams().list(request.limit(), request.query.get("cursor"))
    return Response(200, {"object": "list", "data": [shown(record) for record in records], "next_cursor": cursor})


def create_team(request: Request, caller: Caller) -> Response:
    return _shown(wiring.teams().create(request.json(), caller), status=201)


def get_team(request: Request, _caller: Caller) -> Response:
    return _shown(wiring.teams().get(request.parameters["id"]))


def change_team(request: Request, caller: Caller) -> Response:
    return _shown(wiring.teams().change(request.parameters["id"], request.json(), caller, request.if_match()))


def delete_team(request: Request, caller: Caller) -> Response:
    wiring.teams().delete(request.parameters["id"], caller)
    return Response(200, {"id": request.parameters["id"], "deleted": True})


def _shown(record: TeamRecord, status: int = 200) -> Response:
    return Response(status, shown(record), {"etag": f'"{record.version}"'})
