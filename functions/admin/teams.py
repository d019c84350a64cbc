"""The admin's views of teams."""

from __future__ import annotations

from functions.admin.asked import identifier
from gateway.api.message import Request, Response
from gateway.identity.account_ids import team_item
from gateway.identity.caller import Caller
from gateway.identity.key_text import TEAM_ID
from gateway.identity.store import TeamRecord
from gateway.keys.teams import shown
from gateway.wiring import gateway


def list_teams(request: Request, caller: Caller) -> Response:
    records, cursor = gateway().teams.listed(caller, request.limit(), request.query.get("cursor"))
    return Response(200, {"object": "list", "data": [shown(record) for record in records], "next_cursor": cursor})


def create_team(request: Request, caller: Caller) -> Response:
    return _shown(gateway().teams.create(request.json(), caller), status=201)


def get_team(request: Request, caller: Caller) -> Response:
    record = gateway().teams.seen(_id(request), caller)
    shared = gateway().standing.shared(team_item(record.id), record.limits)
    return Response(200, {**shown(record), "standing": shared}, _etag(record))


def change_team(request: Request, caller: Caller) -> Response:
    return _shown(gateway().teams.change(_id(request), request.json(), caller, request.if_match()))


def delete_team(request: Request, caller: Caller) -> Response:
    team_id = _id(request)
    gateway().teams.delete(team_id, caller)
    return Response(200, {"id": team_id, "deleted": True})


def _id(request: Request) -> str:
    return identifier(request, TEAM_ID, "team")


def _shown(record: TeamRecord, status: int = 200) -> Response:
    return Response(status, shown(record), _etag(record))


def _etag(record: TeamRecord) -> dict[str, str]:
    return {"etag": f'"{record.version}"'}
