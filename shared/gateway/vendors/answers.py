"""Reads what a provider sent. Objects, counts and answers are data, and none is believed before it is checked."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable, Generator, Mapping, Sequence
from functools import partial
from typing import Any, Final, Literal, TypeVar

from gateway.destinations import ForbiddenAddress
from gateway.dialects.neutral import NOTHING, Used
from gateway.dialects.pairs import Pair
from gateway.dialects.unsupported import Unusable
from gateway.dialects.values import count, read_json
from gateway.errors import UpstreamCredentials, UpstreamError, UpstreamThrottled
from gateway.http1 import HttpReply
from gateway.ledger.charge import succeeded
from gateway.models.usage import Usage
from gateway.transport import Broken, Connections, Exchange, HttpError
from gateway.vendors.base import QUIET, Answer, Prepared, Quiet
from gateway.vendors.failures import fault_word, faulty, unanswered, unusable

_TIER: Final = "x-amzn-bedrock-service-tier"
_COUNTS: Final = "x-amzn-bedrock-"
_COUNTED: Final = ("input", "output", "cache-read-input", "cache-write-input")
_TIERS_INSIDE: Final = (("serviceTier", "type"), ("usage", "service_tier"))
_DIGITS: Final = re.compile(r"[0-9]{1,10}")
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_REQUEST_IDS: Final = ("x-amzn-requestid", "request-id")  # providers' headers for a request's id
Held = TypeVar("Held")  # a credential
Rest = TypeVar("Rest")
Opened = tuple[HttpReply, Exchange | None]
HeadersOf = Callable[[Held, str, Prepared], Mapping[str, str] | bytes]  # for a target
Got = TypeVar("Got")
Waiting = Generator[Literal[Quiet.QUIET], None, Got]  # the awaited value, and QUIET while it does not come
# Another credential for an attempt, or None. The arguments are the credentials tried so far, the error
# that the last one met, and the seconds that finding another may take.
Another = Callable[[Sequence[Held], UpstreamError, float], Held | None]
HeaderOf = Callable[[str], str | None]  # None if the answer has no such header


def opened(
    provider: str,
    pool: Connections,
    headers_of: HeadersOf[Held],
    target: str,
    prepared: Prepared,
    whole: bool,
    held: Held,
    timeout: float,
) -> Waiting[Opened]:
    """Make one POST and return its exchange. `headers_of` may also give the bytes of the whole request. Any status is a
    reply. If the answer is wanted `whole`, or its status is not a success, it is read to its end, and the exchange is
    closed, or none; otherwise the caller closes it. It is QUIET each time that a silence lasts as long as the call's
    waits say. Raises only UpstreamErrors, which contain nothing of the request, because its headers are credentials."""
    headers, waits = headers_of(held, target, prepared), prepared.call.waits
    try:
        made = headers if isinstance(headers, bytes) else pool.bytes_of("POST", target, headers, prepared.body)
        if whole and waits.wake is None and waits.first_byte is None:
            sent = pool.ask(made, timeout, waits=waits)
            if isinstance(sent, HttpReply):  # as most answers that are wanted whole
                return sent, None
        else:
            sent = pool.start(made, timeout, waits)
        try:
            while (exchange := sent.answer()) is None:
                yield QUIET
        except BaseException:
            sent.close()
            raise
        well, woken, measured = succeeded(exchange.status), waits.wake is not None, exchange.measured
        if not whole and well:
            return HttpReply(exchange.status, exchange.headers, b"", measured=measured), exchange
        try:
            body = exchange.whole() if well and not woken else (yield from _body(exchange, well=well, woken=woken))
            return HttpReply(exchange.status, exchange.headers, body, measured=measured), exchange
        finally:
            exchange.close()
    except HttpError as error:
        failure = unanswered(provider, error)
        if isinstance(error.__cause__, ForbiddenAddress):
            failure.reason = "forbidden_address"
    except Exception as fault:  # noqa: BLE001  the request may have left: nobody knows what became of it
        failure = faulty(provider, fault, sent=True)
    raise failure  # outside the handlers: the error may quote a header, and must not be its context


def _body(exchange: Exchange, *, well: bool, woken: bool) -> Waiting[bytes]:
    """The bytes of an answer as they come; `well`: its status is a success. Raises HttpErrors. Any other status already
    says enough, so for such an answer an error in the body is not raised, and the bytes that came are returned."""
    came: list[bytes] = []
    try:
        yield from read(exchange, came, woken=woken)
    except HttpError:
        if well:
            raise
    return b"".join(came)


def read(exchange: Exchange, came: list[bytes] | None = None, *, woken: bool = False) -> Waiting[bytes]:
    """The bytes of a body. Each piece is also appended to `came`. It is QUIET after each silence and, if the caller is
    to be `woken`, after each piece: a provider may send a little now and then for minutes. Raises HttpErrors."""
    pieces = [] if came is None else came
    for piece in exchange.pieces():
        if piece:
            pieces.append(piece)
        if woken or not piece:
            yield QUIET
    return b"".join(pieces)


def answered(
    credential: Callable[[], Held],
    another: Another[Held] | None,
    timeout: float,
    post: Callable[[Held, float], Waiting[tuple[HttpReply, Rest]]],
    failure: Callable[[HttpReply, Sequence[Held]], UpstreamError],
) -> Waiting[tuple[HttpReply, Rest]]:
    """The successful answer of one attempt, which takes at most `timeout` seconds. Raises UpstreamErrors, and whatever
    `credential` raises before anything was sent.

    If the provider refuses or limits a credential, nothing is billed, so the request is sent again at once with
    `another` one, as long as there is one that was not tried. A request that may be billed is never sent again.
    `failure` gets the reply and all credentials that were tried.
    """
    deadline = time.monotonic() + timeout
    refusals: list[UpstreamError] = []
    tried, left = [credential()], timeout
    while True:
        reply, rest = yield from post(tried[-1], left)
        if succeeded(reply.status):
            return reply, rest
        refusals.append(failure(reply, tried))
        found = _another(another, tried, refusals[-1], deadline)
        left = deadline - time.monotonic()
        if found is None or left <= 0:
            raise _told(refusals)
        tried.append(found)


def _another(
    another: Another[Held] | None, tried: Sequence[Held], refusal: UpstreamError, deadline: float
) -> Held | None:
    left = deadline - time.monotonic()
    of_credential = isinstance(refusal, UpstreamThrottled) or (
        isinstance(refusal, UpstreamCredentials) and refusal.of_credential
    )
    if another is None or left <= 0 or not of_credential:
        return None
    try:
        found = another(tried, refusal, left)
    except Exception:  # noqa: BLE001  whatever happened to the secret, the error to report is the provider's refusal
        return None
    return None if found in tried else found


def _told(refusals: Sequence[UpstreamError]) -> UpstreamError:
    """The one error to raise for all refusals. A limited credential will work again, so a retry makes sense after the
    shortest of the waits."""
    limited = [each for each in refusals if isinstance(each, UpstreamThrottled)]
    if not limited or not isinstance(refusals[-1], (UpstreamThrottled, UpstreamCredentials)):
        return refusals[-1]
    waits = [each.retry_after for each in limited if each.retry_after is not None]
    limited[-1].retry_after = min(waits, default=None)
    return limited[-1]


def answer_of(provider: str, prepared: Prepared, spoken: Pair, reply: HttpReply, data: bytes) -> Answer:
    """The answer in the body of a success, in the client's dialect as `spoken`. If the body has no answer, raises
    UpstreamErrors with the usage that came.

    If the reply does not say where its body ends, half an object, or an empty body, was cut off. The tier in a header
    is preferred to the model's own word; counts in headers are used if the body has none. For a model that writes,
    counts of the prompt only do not count as counts.
    """
    value, sound = read_json(data)
    if value is None and not reply.measured and _may_be_cut(data):
        raise unanswered(provider, Broken("the answer ends early"))
    said: Mapping[str, Any] = value or NOTHING
    header, call = reply.header, prepared.call
    usage = spoken.usage_of(said) or _counted(header, writes=call.mode == "chat")
    tier = header(_TIER) or said.get("service_tier")
    if type(tier) is not str or not tier:
        tier = _tier(said)
    if value is None or not sound:
        raise unusable(provider, "malformed", usage=usage, tier=tier)
    if value.get("error"):
        raise unusable(provider, "error_in_answer", usage=usage, tier=tier)
    try:
        body = spoken.answer(value, usage, names=prepared.names, known=partial(id_of, header), model=call.model)
    except Unusable as why:
        raise unusable(provider, why.reason, usage=usage, tier=tier) from None
    except Exception as fault:  # noqa: BLE001  our own fault while reading the answer is no reason to lose its usage
        raise unusable(provider, fault_word(fault), usage=usage, tier=tier) from None
    if body is None:
        raise unusable(provider, "schema", usage=usage, tier=tier)
    return Answer(body, usage, tier)


def id_of(header: HeaderOf) -> str:
    """The provider's id for an answer, in a form that fits the answer's id."""
    for name in _REQUEST_IDS:
        told = header(name)
        if told and _REQUEST_ID.fullmatch(told):
            return told
    return str(uuid.uuid4())


def tier_in(headers: Mapping[str, str], used: Used | None) -> str | None:
    """The service tier of a streamed answer."""
    return headers.get(_TIER) or (used.tier if used else None) or None


def _counted(header: HeaderOf, *, writes: bool) -> Usage | None:
    """The counts in an answer's headers, as Bedrock's InvokeModel has them."""
    if header(f"{_COUNTS}input-token-count") is None:
        return None
    found = {name: _number(header(f"{_COUNTS}{name}-token-count")) for name in _COUNTED}
    fresh, output = found["input"], found["output"] if writes else 0
    if fresh is None or output is None:
        return None
    return Usage(fresh, found["cache-read-input"] or 0, found["cache-write-input"] or 0, output_tokens=output)


def _number(text: str | None) -> int | None:
    return count(int(text)) if text is not None and _DIGITS.fullmatch(text) else None


def _tier(answer: Mapping[str, Any]) -> str | None:
    """The service tier that answered, from its place in each dialect: at the top in chat, in an object in Converse,
    next to the counts in Messages."""
    named = answer.get("service_tier")
    for home, name in () if named else _TIERS_INSIDE:
        held = answer.get(home)
        if type(held) is dict and not named:
            named = held.get(name)
    return named if isinstance(named, str) else None


def _may_be_cut(data: bytes) -> bool:
    text = data.removeprefix(b"\xef\xbb\xbf").lstrip()
    return not text or text.startswith(b"{")
