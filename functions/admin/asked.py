"""Checks admins' requests: ids, query parameters, and that a team's key sees only its own team."""

from __future__ import annotations

import re
from collections.abc import Mapping

from gateway.api.message import Request
from gateway.errors import BadRequest, NotFound
from gateway.identity.caller import Caller
from gateway.keys.rights import check_sight

_LONGEST = 128


def checked(request: Request) -> Request:
    """The same request. Raises BadRequest for a query parameter that no route can accept: too long, or not plain text.
    Cursors are checked by the listing that issued them."""
    for name, text in request.query.items():
        if name != "cursor" and (len(text) > _LONGEST or not text.isprintable()):
            raise BadRequest(f"{name[:_LONGEST]}: is too long, or is not plain text", param=name[:_LONGEST])
    return request


def identifier(request: Request, form: str, what: str) -> str:
    """The path's id. Raises NotFound for a malformed id, which therefore never reaches a table."""
    text = request.parameters["id"]
    if not re.fullmatch(form, text):
        raise NotFound(f"There is no such {what}.", param="id")
    return text


def seen(request: Request, caller: Caller) -> Mapping[str, str]:
    """The query of a report, limited to the team of a team's key. Raises Forbidden for another team."""
    if not caller.team_id:
        return request.query
    check_sight(caller, request.query.get("team", caller.team_id))
    return {**request.query, "team": caller.team_id}
