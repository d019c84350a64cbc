"""The one answerer: it takes a request, finds its route by name and returns an answer. It knows nothing of Lambda.
Every error leaves it as a shaped answer.

Everything that belongs to the request is in its context (`gateway.context`) from here to the last byte of its body,
on whatever thread that byte is written. Then the request is accounted for: one line in the log, its metrics, its trace.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from msgspec.structs import replace

from gateway import context, observability, runs
from gateway.api.errors import error_response
from gateway.api.message import Request, Response
from gateway.api.routes import Route, Service
from gateway.context import Context
from gateway.errors import ClientGone, GatewayError, InternalError, NotFound, UpstreamError
from gateway.settings import settings

if TYPE_CHECKING:
    from gateway.identity.caller import Caller


class Broken(Exception):
    """A body that could not be written to its end. `response` is the shaped answer, for a door that has sent nothing
    of the body yet."""

    def __init__(self, response: Response) -> None:
        super().__init__("The body of an answer could not be written to its end.")
        self.response = response


def answer(service: Service, request: Request, read: Callable[[], bytes] | None = None) -> Response:
    """Return the answer, with the request's own ids in its headers, in a dictionary that only this answer has. Its
    body is text, or an iterator that must be read to its end or closed; reading it raises Broken. `read` gives the body
    of a request that does not hold it yet; what `read` raises is answered as a fault of the request.

    A BaseException that is not an Exception (the process is to end, the task is cancelled) is accounted for and raised
    again.
    """
    route = service.routes.get(request.route)
    if route is not None:
        request.errors = route.errors_by(request) if route.errors_by else route.errors
    exchange = _Exchange(service, request)
    return exchange.run(partial(exchange.routed, route, read))


def failed(service: Service, request: Request, fault: Exception) -> Response:
    """Like `answer`, for a request that could not even be read. It is shaped and accounted for like any other."""

    def fail() -> Response:
        raise fault

    return _Exchange(service, request).run(fail)


def _no_route(routes: Collection[str], asked: str) -> NotFound:
    from gateway.config.spelling import near  # imported only on an error

    methods: dict[str, list[str]] = {}
    for route in routes:
        method, _, path = route.partition(" ")
        methods.setdefault(path, []).append(method)
    path = asked.partition(" ")[2]
    if path in methods:
        advice = f"This path takes {' or '.join(sorted(methods[path]))}."
    elif meant := near(path, methods):
        advice = f"Did you mean {meant}?"
    else:
        advice = "GET /openapi.json lists the routes."
    return NotFound(f"There is no route {asked}. {advice}")


@lru_cache(maxsize=1)
def _access() -> Callable[..., Caller]:
    """What finds a caller. Imported late: keys live in a table, and health, which asks for no key, must load no
    connection and no TLS."""
    from gateway.api.access import caller_of

    return caller_of


class _Exchange:
    """One request and its answer, in their own context."""

    def __init__(self, service: Service, request: Request) -> None:
        self._service, self._request = service, request
        self._context = runs.begin(
            Context(
                request.correlation_id,
                request.request_id,
                {"key_id": request.context.get("keyId") or None},
                started=request.started,
                deadline=request.deadline,
                trace=request.trace,
                source=request.source,
            )
        )

    def run(self, work: Callable[[], Response]) -> Response:
        this, open_body = self._context, False
        before = context.enter(this)
        try:
            made = self._made(work)
            this.status = made.status
            open_body = not isinstance(made.body, str)
        except BaseException:
            this.status = 500
            raise
        finally:
            try:
                if not open_body:
                    self.account()
            finally:
                context.leave(before)
        return replace(made, body=_Body(self, this, made.body, made.media_type)) if open_body else made

    def routed(self, route: Route | None, read: Callable[[], bytes] | None) -> Response:
        """The answer of the route's handler, if the caller may ask it."""
        service, request = self._service, self._request
        if route is None:
            raise _no_route(service.routes, request.route)
        if route.auth != "public":
            assert service.identity is not None  # noqa: S101  `service` has checked it
            request.by = caller = _access()(
                request,
                route.scope,
                service.identity,
                fresh=route.fresh,
                callers=service.callers,
                pace=service.pace,
            )
            self._context.keys["key_id"] = caller.key_id
        if read is not None:
            request.body = read()
        return route.handler(request)

    def _made(self, work: Callable[[], Response]) -> Response:
        """The answer, with its body as text or iterator. If something was raised, it is the shaped error."""
        try:
            observability.configure(self._service.name, settings().log_level, self._context)
            made = work()
            body = made.body
            if not isinstance(body, (str, Iterator)):
                body = made.text()
        except Exception as error:  # noqa: BLE001  the last line: the caller gets a shaped answer, the log the rest
            made = self.shaped(error)
            body = made.text()
        return self.addressed(made, body)

    def addressed(self, made: Response, body: str | Iterator[bytes]) -> Response:
        """The answer with this exchange's own ids, even if the answer is a stored one that is replayed."""
        asked, headers = self._request, dict(made.headers)
        headers.setdefault("content-type", made.media_type)
        headers["x-correlation-id"] = asked.correlation_id
        headers["x-request-id"] = asked.request_id
        if asked.errors == "messages":  # the name that Anthropic's clients read it by
            headers["request-id"] = asked.request_id
        return Response(made.status, body, headers, made.media_type)

    def shaped(self, error: Exception) -> Response:
        """The answer for an exception. The log gets the exception too."""
        if isinstance(error, GatewayError):
            _log_refusal(error)
            return error_response(error, self._request.errors, self._request.request_id)
        observability.log.error("unexpected error", exc_info=error)
        return error_response(InternalError(), self._request.errors, self._request.request_id)

    def account(self) -> None:
        this = self._context
        elapsed = (time.monotonic() - this.started) * 1_000
        took = round(elapsed * 10) / 10  # as round(elapsed, 1), at half the cost
        facts = {"route": self._request.route, "status": this.status, "duration_ms": took}
        line = observability.line("request", facts, this)
        try:
            runs.finish(self._service.name, this, elapsed, line)
        except Exception:  # noqa: BLE001  an answer is worth more than its metrics
            observability.log.exception("a request could not be counted")


class _Body(Iterator[bytes]):
    """The body of an answer. Each piece is made in the request's context. The request is accounted for once, when the
    body ends: it is exhausted, fails, or is closed early. If the client hangs up while a piece is made, the body ends
    after that piece. Only the first byte of a stream of events is counted: that of a late answer in one piece is white
    space, and says nothing of how soon streams begin."""

    def __init__(self, exchange: _Exchange, own: Context, pieces: Iterator[bytes], media_type: str) -> None:
        self._exchange, self._context, self._pieces = exchange, own, pieces
        self._begun, self._over = media_type != "text/event-stream", False
        self._turn = threading.RLock()

    def __next__(self) -> bytes:
        with self._turn, context.entered(self._context):
            if self._over:
                raise StopIteration
            try:
                piece = next(self._pieces)
                if not self._begun:
                    self._begun = True
                    observability.count("FirstByte", self._context.elapsed())
                return piece
            except StopIteration:
                self._end()
                raise
            except Exception as error:
                shaped = self._exchange.shaped(error)
                self._end(shaped.status)
                raise Broken(self._exchange.addressed(shaped, shaped.text())) from error
            except BaseException:
                self._end(500)
                raise

    def close(self) -> None:
        """End the body here: the client has gone. The iterator of pieces is closed first, so that it may settle."""
        with self._turn, context.entered(self._context):
            if self._over:
                return
            try:
                close = getattr(self._pieces, "close", None)
                if close is not None:
                    close()
            except Exception as error:  # noqa: BLE001  nobody waits for an answer any more: the log gets it
                self._context.status = self._exchange.shaped(error).status
            except BaseException:
                self._context.status = 500
                raise
            finally:
                self._end()

    def _end(self, status: int | None = None) -> None:
        self._over = True
        if status is not None:
            self._context.status = status
        self._exchange.account()


def _log_refusal(error: GatewayError) -> None:
    if not isinstance(error, ClientGone):  # not a refusal: the call counts it as a hang-up
        observability.count("Refusals", reason=error.code)
    cause = type(error.__cause__).__name__ if error.__cause__ else None
    level = observability.log.warning if error.status >= 500 else observability.log.info
    facts = {"code": error.code, "status": error.status, "cause": cause, "param": error.param}
    if isinstance(error, UpstreamError):
        facts |= {"provider": error.provider, "upstream_status": error.upstream_status, "reason": error.reason}
    level("refused", extra=facts)
