"""Requests with an Idempotency-Key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from gateway.api.errors import error_response
from gateway.api.message import Request, Response
from gateway.api.routes import Handler
from gateway.calls.idempotency import Kept, Made, Streamed
from gateway.calls.streaming import Begun
from gateway.errors import GatewayError
from gateway.handlers.late import Late
from gateway.wiring import gateway


def answered_once(answered: Handler, request: Request, sent: str, dialect: str) -> Response:
    """The answer to a request that was `sent` with this Idempotency-Key: what `answered` gives, or the answer that was
    kept. `dialect` is the dialect of the request."""
    caller = request.caller
    # Checked before the key is claimed: a flood of calls over their limit must cost no writes.
    body, left = request.json(), request.seconds_left()
    gateway().completions.check(caller, body, seconds_left=left, dialect=dialect)

    def kept() -> Made:
        made = answered(request)
        body = made.body
        if isinstance(body, Late):
            return Streamed(
                made.status, body, made.media_type, made.headers, lambda: _kept(body.whole) if body.whole else None
            )
        if isinstance(body, Begun):
            return Streamed(made.status, body, made.media_type, made.headers)
        return _kept(made)

    def failed(error: GatewayError) -> Kept:
        return _kept(error_response(error, request.errors))

    def permitted() -> None:
        # A stored answer does not go through admission, so the key's record is read again here.
        gateway().completions.permit(gateway().identity.fresh(caller), body, dialect=dialect)

    fingerprint = request.route.encode() + b"\n" + request.body
    first, again = gateway().idempotency.once(
        caller.key_id, sent, fingerprint, request.seconds_left(), kept, failed=failed, permitted=permitted
    )
    if isinstance(first, Streamed):
        return Response(first.status, cast(Iterator[bytes], first.pieces), first.headers, first.media_type)
    replayed = {"idempotency-replayed": "true"} if again else {}
    return Response(first.status, first.text, {**first.headers, **replayed}, first.media_type)


def _kept(made: Response) -> Kept:
    return Kept(made.status, made.text(), made.media_type, made.headers)
