"""Idempotency-Key: a request that is sent twice is answered, and billed, once.

The key is claimed by one conditional write before the call. An answer or a failure that cost money is kept for a day. A
call that cost nothing gives the claim back, so that a retry is possible. If the function dies, its claim is free again
after its deadline.

Of a stream only the request's id is kept, from its first bytes on: the answer to a repeat names that request, so that
the client may look it up. Whatever happens to the function after that, the call is not made again. The same is kept for
a call that was paid for and whose client left before it got any of the answer: if the client asks again, it is there,
and the answer must not say that it has gone.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import uuid
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from msgspec import Struct
from msgspec.structs import replace

from gateway import observability
from gateway.errors import (
    BadRequest,
    ClientGone,
    Conflict,
    GatewayError,
    StoreError,
    StoreUnavailable,
    UnprocessableContent,
)

KEPT_SECONDS = 86_400
MAX_KEPT_BYTES = 256 * 1_024  # compressed and in base64; an item of DynamoDB has 400 KB at most
_REQUEST = "x-gateway-request-id"
_FORM = re.compile(r"[\x21-\x7e]{1,255}", re.ASCII)


class Kept(Struct, frozen=True):
    """An answer as it is kept: status, body text, media type, headers."""

    status: int
    text: str
    media_type: str
    headers: Mapping[str, str]


class Pieces(Protocol):
    """A stream that has begun: its request's id, and its cost (micro-dollars), which is known at its end."""

    @property
    def rid(self) -> str: ...
    @property
    def charged(self) -> int: ...
    def __next__(self) -> bytes: ...
    def close(self) -> None: ...


class Streamed(Struct, frozen=True):
    """An answer that goes out while it is being made: read it to its end, or close it. `whole` is for an answer in one
    piece whose head goes out before it: it gives the answer to be kept, or None before that is known."""

    status: int
    pieces: Pieces
    media_type: str
    headers: Mapping[str, str]
    whole: Callable[[], Kept | None] | None = None


Made = Kept | Streamed


class Claims(Protocol):
    def claim(self, claim: str, owner: str, body: str, now: int, deadline: int, ttl: int) -> dict[str, Any] | None: ...
    def keep(self, claim: str, owner: str, answer: str | None, ttl: int) -> None: ...
    def answer(self, claim: str, owner: str) -> str | None: ...
    def stream(self, claim: str, owner: str, rid: str, *, ended: bool) -> None: ...
    def drop(self, claim: str, owner: str) -> None: ...


class Idempotency(Struct, frozen=True):
    """`now` gives seconds since the epoch."""

    claims: Claims
    now: Callable[[], float]

    def once(
        self,
        key_id: str,
        sent: str,
        fingerprint: bytes,
        seconds: float,
        answer: Callable[[], Made],
        *,
        failed: Callable[[GatewayError], Kept],
        permitted: Callable[[], None] = lambda: None,
    ) -> tuple[Made, bool]:
        """The answer, and whether it is that of an earlier request. `sent` is the header, `fingerprint` the route and
        body, `seconds` how long the call may take. `failed` turns an error into an answer. `permitted` is called before
        the answer shows anything of an earlier request.

        Raises BadRequest (a bad header), UnprocessableContent (another request had this key), Conflict (the request is
        still being answered, was streamed, was left by its client, or its answer was too large to keep), and what
        `answer` and `permitted` raise.
        """
        if not _FORM.fullmatch(sent):
            raise BadRequest("Idempotency-Key: must be 1 to 255 visible ASCII characters", param="Idempotency-Key")
        claim = f"{key_id}#{hashlib.sha256(sent.encode()).hexdigest()}"
        body, owner, now = hashlib.sha256(fingerprint).hexdigest(), uuid.uuid4().hex, int(self.now())
        # A second attempt of a write whose first reply was lost finds its own claim, by its owner.
        earlier = self.claims.claim(claim, owner, body, now, now + int(seconds) + 5, now + KEPT_SECONDS)
        if earlier is not None and earlier["owner"] != owner:
            permitted()
            return _earlier(earlier, body, now, lambda: self.claims.answer(claim, earlier["owner"])), True
        try:
            made = answer()
        except BaseException as error:
            self._raised(claim, owner, error, failed)
            raise
        if isinstance(made, Streamed):
            rid = made.pieces.rid
            if made.whole is None:
                self._quietly(lambda: self.claims.stream(claim, owner, rid, ended=False))
            return replace(
                made, pieces=_Ending(made, lambda error: self._ended(claim, owner, made, error, failed))
            ), False
        self._keep(claim, owner, made)
        return made, False

    def _raised(self, claim: str, owner: str, error: BaseException, failed: Callable[[GatewayError], Kept]) -> None:
        if not isinstance(error, GatewayError) or not error.charged:
            self._quietly(lambda: self.claims.drop(claim, owner))
        elif isinstance(error, ClientGone) and (rid := error.headers.get(_REQUEST)):
            self._quietly(lambda: self.claims.stream(claim, owner, rid, ended=True))
        else:
            self._keep(claim, owner, failed(error))

    def _ended(
        self,
        claim: str,
        owner: str,
        made: Streamed,
        error: BaseException | None,
        failed: Callable[[GatewayError], Kept],
    ) -> None:
        pieces, whole = made.pieces, made.whole and made.whole()
        if whole:
            self._keep(claim, owner, whole)
        elif made.whole is not None and isinstance(error, GatewayError):
            self._raised(claim, owner, error, failed)
        elif pieces.charged:
            self._quietly(lambda: self.claims.stream(claim, owner, pieces.rid, ended=True))
        else:  # it sent only pings, and then an error
            self._quietly(lambda: self.claims.drop(claim, owner))

    def _keep(self, claim: str, owner: str, made: Kept) -> None:
        packed = _packed(made)
        kept, ttl = packed if len(packed) <= MAX_KEPT_BYTES else None, int(self.now()) + KEPT_SECONDS
        self._quietly(lambda: self.claims.keep(claim, owner, kept, ttl))

    @staticmethod
    def _quietly(step: Callable[[], None]) -> None:
        # The answer is there and paid for, so it is given whatever happens to the claim.
        try:
            step()
        except (StoreUnavailable, StoreError) as error:
            observability.log.warning("an idempotency claim was left as it is", extra={"reason": str(error)})


def _earlier(item: Mapping[str, Any], body: str, now: int, answer: Callable[[], str | None]) -> Kept:
    """The answer of an earlier request; `answer` reads an answer that is not in the claim itself."""
    if item["body"] != body:
        raise UnprocessableContent(
            "This Idempotency-Key was used for another request.",
            code="idempotency_key_reused",
            param="Idempotency-Key",
        )
    match item["state"]:
        case "kept" if text := item["answer"] or answer():
            return _unpacked(text)
        case "kept" | "too_large":
            raise Conflict(
                "The request was already answered, and its answer was too large to store.",
                code="idempotency_answer_too_large",
                param="Idempotency-Key",
                headers={"x-should-retry": "false"},
            )
        case "streamed":
            raise _streamed(item["request"])
        case "streaming" if item["deadline"] < now:  # its function can't be running any more
            raise _streamed(item["request"])
        case _:
            raise Conflict(
                "A request with this Idempotency-Key is still being answered.",
                code="idempotency_in_progress",
                param="Idempotency-Key",
                headers=_which(item.get("request")),
                retry_after=max(1, min(5, item["deadline"] - now)),
            )


def _streamed(rid: str) -> Conflict:
    return Conflict(
        f"The request was already made, and its answer can't be repeated. It was {rid}.",
        code="idempotency_streamed",
        param="Idempotency-Key",
        headers={**_which(rid), "x-should-retry": "false"},
    )


def _which(rid: str | None) -> dict[str, str]:
    return {_REQUEST: rid} if rid else {}


class _Ending(Iterator[bytes]):
    """The pieces of a stream, and a step that is done once when they end, in whatever way; it gets the exception that
    ended them. It is done before the text of a late answer goes out, so that a repeat finds the answer."""

    def __init__(self, made: Streamed, end: Callable[[BaseException | None], None]) -> None:
        self._pieces, self._whole, self._end = made.pieces, made.whole, end
        self._over = False

    @property
    def rid(self) -> str:
        return self._pieces.rid

    @property
    def charged(self) -> int:
        return self._pieces.charged

    def __next__(self) -> bytes:
        try:
            piece = next(self._pieces)
        except BaseException as error:
            self._finish(error)
            raise
        if self._whole is not None and self._whole():
            self._finish()
        return piece

    def close(self) -> None:
        try:
            self._pieces.close()
        finally:
            self._finish()

    def _finish(self, error: BaseException | None = None) -> None:
        if not self._over:
            self._over = True
            self._end(error)


def _packed(answer: Kept) -> str:
    document = {
        "status": answer.status,
        "text": answer.text,
        "media_type": answer.media_type,
        "headers": dict(answer.headers),
    }
    return base64.b64encode(zlib.compress(json.dumps(document).encode(), 6)).decode()


def _unpacked(text: str) -> Kept:
    document = json.loads(zlib.decompress(base64.b64decode(text)))
    return Kept(**document)
