"""Finds the caller by the key in the request itself, for a door that has no authorizer in front of it."""

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

KEPT_SECONDS = 60.0  # as long as an authorizer's answers
MOST_KEPT = 4_096
_NO_KEY = "No API key was sent: use Authorization: Bearer, x-api-key or api-key."
_MISFORMED = "The header Authorization has no key in it: send Bearer, a space and the key, or use x-api-key or api-key."
_AGAIN = Bucket(60, 1)  # how often a refused key is looked up again
_REFUSED = Bucket(60, 60)  # bad keys from one address, each counted once


@dataclass(slots=True)
class SentKeys:
    """Finds callers by the keys that they send. A good key is remembered by its digest for a minute; no key's text is
    kept. A refused key that passes the checks of form and checksum is looked up again, but at most once a second.

    After `_REFUSED` bad keys from one address within a minute, a key from there that is new here is put off once, for
    a second. Many callers may share an address: one with a good key sends the same key again, one that guesses sends
    another. A key that was good before is never put off. `clock` is on time.monotonic.
    """

    clock: Callable[[], float] = time.monotonic
    refused: Buckets = field(default_factory=Buckets)
    put_off: Buckets = field(default_factory=Buckets)
    _known: OrderedDict[str, tuple[float, Caller]] = field(default_factory=OrderedDict, init=False, repr=False)
    _turn: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def __call__(self, request: Request, identity: Identity) -> Caller:
        """Raises Unauthorized if no key, a bad key or two different keys are sent; RateLimited if this address sends
        too many bad keys; StoreUnavailable."""
        sent = keys.sent(request.headers)
        if len(sent) > 1:
            raise Unauthorized("Two different API keys were sent in two headers; send one.", code="several_api_keys")
        if not sent:
            raise Unauthorized(_MISFORMED if request.headers.get("authorization") else _NO_KEY)
        if keys.key_id(sent[0]) is None:
            raise _refused()
        digest, now = keys.digest(sent[0]), self.clock()
        known = self._known.get(digest)
        if known is not None and now < known[0]:
            return known[1]
        if self.refused.wait(digest, _AGAIN):  # a key that this container knows to be bad costs no read
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
            message = "This address sent too many invalid API keys; try again later."
            raise RateLimited(message, code="too_many_bad_keys", retry_after=1.0)

    def _note(self, digest: str, address: str) -> None:
        """Count a bad key. The same bad key again is a client that does not know it yet, and not a flood."""
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
