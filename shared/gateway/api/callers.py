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
from gateway.identity.addresses import neighbourhood
from gateway.identity.caller import Caller
from gateway.identity.verification import REFUSED, Identity
from gateway.limits import Bucket

KEPT_SECONDS = 60.0  # as an authorizer's answers
MOST_KEPT = 4_096
_AGAIN = Bucket(60, 1)  # how often a refused key is asked for again
_REFUSED = Bucket(60, 60)  # bad keys of an address, each counted once


@dataclass(slots=True)
class SentKeys:
    """Callers by the keys that they send. A key that was found good is known for a minute by its digest, the text of
    none is kept. After form and checksum, one that was refused is asked for again, but once a second at most.

    After `_REFUSED` bad ones of an address within a minute, a key from there that is new here is put off, once, for a
    second: many may share an address, and whoever has a good key comes again with it, where who guesses comes with
    another. A key that was good before is never put off. `clock` is on time.monotonic.
    """

    clock: Callable[[], float] = time.monotonic
    refused: Buckets = field(default_factory=Buckets)
    put_off: Buckets = field(default_factory=Buckets)
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
        if self.refused.wait(digest, _AGAIN):  # what a container knows of bad keys costs no read
            raise _refused()
        address = f"from {neighbourhood(request.source)}"
        if known is None:
            self._check_flood(digest, address)
        caller = identity.verify(sent[0])
        if caller is None:
            self._note(digest, address)
            raise _refused()
        self._keep(digest, now + KEPT_SECONDS, caller)
        return caller

    def _check_flood(self, digest: str, address: str) -> None:
        wait = self.refused.wait(address, _REFUSED)
        if wait and (not self.put_off.knows(digest) or self.put_off.wait(digest, _AGAIN)):
            self.put_off.take(digest, _AGAIN, 1)
            message = "Too many API keys that are not good were sent from this address; try again later."
            raise RateLimited(message, code="too_many_bad_keys", retry_after=1.0)

    def _note(self, digest: str, address: str) -> None:
        """A bad key. The same one again is a client that nobody has told, and no flood."""
        with self._turn:
            self._known.pop(digest, None)
        if not self.refused.knows(digest):
            self.refused.take(address, _REFUSED, 1)
        self.refused.take(digest, _AGAIN, 1)

    def _keep(self, digest: str, until: float, caller: Caller) -> None:
        with self._turn:
            self._known[digest] = until, caller
            self._known.move_to_end(digest)
            if len(self._known) > MOST_KEPT:
                self._known.popitem(last=False)


def _refused() -> Unauthorized:
    return Unauthorized(REFUSED)
