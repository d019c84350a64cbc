"""What admins ask for: ids and query parameters within their bounds, and of a team's key nothing but its team."""

from __future__ import annotations

import re
from collections.abc import Mapping

from gateway.api.message import Request
from gateway.errors import BadRequest, NotFound
from gateway.identity.caller import Caller
from gateway.keys.rights import check_sight

_LONGEST = 128


def checked(request: Request) -> Request:
    """The request again. Raises BadRequest for a query parameter that is nothing of ours, however it is used; cursors
    are read by their listing, which knows its own."""
    for name, text in request.query.items():
        if name != "cursor" and (len(text) > _LONGEST or not text.isprintable()):
            raise BadRequest(f"{name[:_LONGEST]}: is too long, or is not plain text", param=name[:_LONGEST])
    return request


def identifier(request: Request, form: str, what: str) -> str:
    """The path's id. Raises NotFound for one that nothing can have: it never gets as far as a table."""
    text = request.parameters["id"]
    if not re.fullmatch(form, text):
        raise NotFound(f"There is no such {what}.", param="id")
    return text


def seen(request: Request, caller: Caller) -> Mapping[str, str]:
    """The query of a report, which of a team's key is for its team. Raises Forbidden for another team."""
    if not caller.team_id:
        return request.query
    check_sight(caller, request.query.get("team", caller.team_id))
    return {**request.query, "team": caller.team_id}
