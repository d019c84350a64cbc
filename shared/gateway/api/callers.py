"""Who is calling, by the key that the request itself carries: for a door that has no authorizer before it."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.api.message import Request
from gateway.api.pace import Buckets
from gateway.errors import RateLimited, Unauthorized
from gateway.identity import key_text as keys
from gateway.identity.caller import Caller
from gateway.identity.verification import REFUSED, Identity
from gateway.limits import Bucket

KEPT_SECONDS = 60.0  # as an authorizer's answers
MOST_KEPT = 4_096
_AGAIN = Bucket(60, 1)  # how often a refused key is asked for again
_REFUSED = Bucket(60, 60)  # bad keys of an address


@dataclass(slots=True)
class SentKeys:
    """Callers by the keys that they send. A key that was found good is known for a minute by its digest, the text of
    none is kept. After form and checksum, one that was refused is asked for again, but once a second at most; and an
    address that sent `_REFUSED` bad ones within a minute asks for no key any more that is not known to be good.
    `clock` is on time.monotonic."""

    clock: Callable[[], float] = time.monotonic
    refused: Buckets = field(default_factory=Buckets)
    _known: OrderedDict[str, tuple[float, Caller]] = field(default_factory=OrderedDict, init=False, repr=False)
    _turn: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def __call__(self, request: Request, identity: Identity) -> Caller:
        """Raises Unauthorized where no key is sent, one that is not good, or two that differ; RateLimited where this
        address sends too many bad ones; StoreUnavailable."""
        sent = keys.sent(request.headers)
        if len(sent) > 1:
            raise Unauthorized("Two different API keys were sent in two headers; send one.", code="several_api_keys")
        if not sent:
            raise Unauthorized("No API key was sent: use Authorization: Bearer, x-api-key or api-key.")
        if keys.key_id(sent[0]) is None:
            raise _refused()
        digest, now = keys.digest(sent[0]), self.clock()
        known = self._known.get(digest)
        if known is not None and now < known[0]:
            return known[1]
        self._check_flood(digest, request.source)
        caller = identity.verify(sent[0])
        if caller is None:
            with self._turn:
                self._known.pop(digest, None)
            self.refused.take(digest, _AGAIN, 1)
            self.refused.take(f"from {request.source}", _REFUSED, 1)
            raise _refused()
        self._keep(digest, now + KEPT_SECONDS, caller)
        return caller

    def _check_flood(self, digest: str, source: str) -> None:
        """What a container knows of bad keys costs no read."""
        if self.refused.wait(digest, _AGAIN):
            raise _refused()
        wait = self.refused.wait(f"from {source}", _REFUSED)
        if wait:
            message = "Too many API keys that are not good were sent from this address; try again later."
            raise RateLimited(message, code="too_many_bad_keys", retry_after=wait / 1_000_000)

    def _keep(self, digest: str, until: float, caller: Caller) -> None:
        with self._turn:
            self._known[digest] = until, caller
            self._known.move_to_end(digest)
            if len(self._known) > MOST_KEPT:
                self._known.popitem(last=False)


def _refused() -> Unauthorized:
    return Unauthorized(REFUSED)
