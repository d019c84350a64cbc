"""The steps that all adapters share: choose an endpoint, translate, send, read. Adapters differ only in how they
say to a provider who calls."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final
from urllib.parse import quote

from msgspec import Struct
from msgspec.structs import replace

from gateway.dialects.pairs import Pair, Stream, pair
from gateway.dialects.unsupported import Unsupported, Unusable, named
from gateway.dialects.values import count, json_object
from gateway.dialects.written import Asked
from gateway.errors import UpstreamError
from gateway.http1 import HttpReply
from gateway.json_text import to_bytes
from gateway.models.endpoints import counting_for, endpoint_for, needs_profile, rule_of
from gateway.models.geographies import own_id, without_arn
from gateway.models.vendors import Counting, Endpoint, ModelRule, Quirks, Vendor, quirks_of
from gateway.transport import Broken, Connections, HttpError
from gateway.vendors import Connection
from gateway.vendors.answers import Opened, Waiting, answer_of, answered, id_of, opened, read, tier_in
from gateway.vendors.base import Answer, Event, ModelCall, Prepared, awaited
from gateway.vendors.batches import in_parts
from gateway.vendors.failures import faulty, rejected_here, status_failure, unanswered, unusable
from gateway.vendors.quirks import apply, changes
from gateway.vendors.streams import StreamError, is_whole, relayed, retold

_MOST_WAYS: Final = 1_000
JSON_HEADERS: Final[Mapping[str, str]] = {"content-type": "application/json", "accept": "application/json"}


class _Way(Struct, frozen=True):
    """Where calls of a client's dialect for a model go, and how they are translated. `path` and `stream_path` are the
    endpoint's for this model. `counting` is how to ask it for a token count, if that is possible."""

    endpoint: Endpoint
    path: str
    stream_path: str
    spoken: Pair
    quirks: Quirks
    rule: ModelRule
    counting: Counting | None
    odd: bool  # the quirks change requests


class Adapter(ABC):
    """See `gateway.vendors.base.Provider`."""

    region = "global"

    def __init__(self, vendor: Vendor, connection: Connection) -> None:
        self.name, self._vendor, self._connection = vendor.name, vendor, connection
        self._connections = Connections(connection.endpoint, connection.destinations.resolver(connection.endpoint))
        self._ways: dict[tuple[str, str, str], _Way] = {}

    def prepare(self, call: ModelCall) -> Prepared:
        """Raises BadRequest or UpstreamRejected for a request that may not leave or can't be expressed there."""
        way = self._way(call)
        try:
            written = way.spoken.request(self._asked(call, way))
        except Unsupported as reason:
            raise rejected_here(self.name, str(reason), reason.param) from None
        if way.odd:
            apply(written, way.quirks, self.name)
        body = to_bytes(written.body)
        left_out = [*call.dropped, *written.dropped]
        dropped = named(left_out) if left_out else ()
        parts = tuple([(to_bytes(each.body), each.most) for each in written.parts])
        return Prepared(call, way.endpoint, body, dropped, written.names, parts, way=way)

    def send(self, prepared: Prepared) -> Iterator[Event]:
        """One attempt. Raises UpstreamErrors, and what the connection's credential raises."""
        if prepared.parts:
            return in_parts(self.name, prepared, self._whole)
        return self._streamed(prepared) if prepared.call.streamed else self._whole(prepared)

    def counter(self, prepared: Prepared) -> Callable[[], dict[str, Any]] | None:
        counting = self._way(prepared.call).counting
        return partial(self._count, prepared, counting) if counting else None

    def _count(self, prepared: Prepared, counting: Counting) -> dict[str, Any]:
        """One request, with the first credential. A limit on counting is not a limit on calls, so no credential rests
        after it."""
        body = json.loads(prepared.body)
        kept = counting.keeps or body.keys() - counting.omits
        sent = self.asking({name: value for name, value in body.items() if name in kept}, prepared.endpoint)
        endpoint = replace(prepared.endpoint, metadata_header="")
        asked = replace(prepared, endpoint=endpoint, body=to_bytes(sent))
        reply, _ = awaited(self._asked_of(asked, counting.path, whole=True, rotates=False))
        told = json_object(reply.body) or {}
        found = count(told.get("input_tokens", told.get("inputTokens")))
        if found is None:
            raise unusable(self.name, "schema")
        return {name: value for name, value in told.items() if name != "inputTokens"} | {"input_tokens": found}

    def asking(self, body: dict[str, Any], endpoint: Endpoint) -> dict[str, Any]:
        """The body of a request for a token count, from the parts of a call's body that concern the prompt."""
        return body

    def _whole(self, prepared: Prepared) -> Generator[Event]:
        way = prepared.way or self._way(prepared.call)
        reply, _ = yield from self._asked_of(prepared, way.path, whole=True)
        yield answer_of(self.name, prepared, way.spoken, reply, reply.body)

    def _streamed(self, prepared: Prepared) -> Iterator[Event]:
        call, way = prepared.call, prepared.way or self._way(prepared.call)
        reply, exchange = yield from self._asked_of(prepared, way.stream_path, whole=False)
        assert exchange is not None  # noqa: S101  it is not wanted whole
        most, known = call.max_output_tokens * call.choices, id_of(reply.header)
        try:
            native, names = prepared.endpoint.dialect, prepared.names
            stream = Stream(call.dialect, native, names, known=known, model=call.model, most=most, choices=call.choices)
            tap = stream.tap
            if is_whole(reply.headers.get("content-type", "")):
                data = yield from read(exchange, woken=True)
                whole = answer_of(self.name, prepared, way.spoken, reply, data)
                yield from retold(call.dialect, whole.body, known=known, model=call.model)
                yield replace(whole, body={})
                return
            yield from relayed(exchange, reply.headers, stream)
            if not tap.ended and not stream.beyond:
                raise Broken("the stream ends early")
            used = stream.used
            answer = Answer({}, used.usage if used else None, tier_in(reply.headers, used))
        except StreamError as told:
            raise told.failure(self.name, begun=stream.begun, mask=self._mask(prepared)) from None
        except Unusable as why:
            used = stream.used
            if used is None and stream.begun:  # the answer has begun, and there are no counts for it
                raise StreamError(why.reason, None).failure(self.name, begun=True) from None
            tier = tier_in(reply.headers, used)
            raise unusable(self.name, why.reason, usage=used.usage if used else None, tier=tier) from None
        except HttpError as error:
            raise unanswered(self.name, error) from None
        except UpstreamError:
            raise
        except Exception as fault:  # noqa: BLE001  our own fault while reading: the request has left
            raise faulty(self.name, fault, sent=True) from None
        finally:
            exchange.close()
        yield answer

    def _asked_of(self, prepared: Prepared, target: str, *, whole: bool, rotates: bool = True) -> Waiting[Opened]:
        """The endpoint's answer, already read or ready to be read. `rotates`: if a credential is refused, another one
        is tried."""
        # By position: a partial function that holds named arguments takes three times as long to call.
        post = partial(opened, self.name, self._connections, self.headers, target, prepared, whole)
        another = self._connection.another if rotates else None
        return answered(self.credential, another, prepared.timeout, post, partial(self._failure, prepared))

    def _failure(self, prepared: Prepared, reply: HttpReply, tried: Sequence[object]) -> UpstreamError:
        """The error that a reply without success stands for. `tried` are the credentials that were sent."""
        call, keys = prepared.call, [held for held in tried if isinstance(held, str)]

        def path_of(message: object, param: object) -> str | None:
            way = self._way(call)
            return way.spoken.path(message, param, self._asked(call, way))

        return status_failure(self.name, reply, path_of, self._mask(prepared, *keys))

    def _mask(self, prepared: Prepared, *secrets: str) -> Callable[[object], str] | None:
        """Masks the provider's error text so that it may be shown; only for a client that speaks the endpoint's
        dialect."""
        if prepared.call.dialect != prepared.endpoint.dialect:
            return None

        def mask(text: object) -> str:
            from gateway.vendors.masking import masked  # here, since its patterns are of use only to a failed call

            return masked(text, self._connections.host, *secrets)

        return mask

    @abstractmethod
    def credential(self) -> Any:
        """The credential for the provider. Raises UpstreamErrors (not sent)."""

    @abstractmethod
    def headers(self, held: Any, target: str, prepared: Prepared) -> Mapping[str, str] | bytes:
        """A request's headers, with one of our credentials; or the whole request, if it is signed as a whole."""

    def metadata(self, call: ModelCall) -> Mapping[str, str]:
        """The metadata for the provider's own log of a call, in the form that it takes."""
        return {}

    def _way(self, call: ModelCall) -> _Way:
        asked = call.model, call.dialect, call.endpoint
        way = self._ways.get(asked)
        if way is None:
            if len(self._ways) >= _MOST_WAYS:
                self._ways.clear()
            way = self._ways[asked] = self._chosen(call)
        return way

    def _chosen(self, call: ModelCall) -> _Way:
        try:
            base_url, forced, mode = self._connection.endpoint, call.endpoint, call.mode
            endpoint = endpoint_for(self._vendor, call.model, call.dialect, mode=mode, forced=forced, base_url=base_url)
        except LookupError:
            named = f" {call.endpoint}" if call.endpoint else ""
            message = f"The provider {self.name} has no endpoint{named} for this model ({call.mode})."
            raise rejected_here(self.name, message, "model") from None
        if needs_profile(self._vendor, call.model):
            message = f"The model {call.model} answers only by an inference profile, such as us.{call.model}."
            raise rejected_here(self.name, message, "model")
        quirks = quirks_of(self._vendor, endpoint, self._connection.endpoint)
        quirks = replace(quirks, pass_fields=(*quirks.pass_fields, *self._connection.pass_fields))
        counting = counting_for(self._vendor, endpoint, call.model)
        if counting is not None:
            own = replace(call, model=own_id(without_arn(call.model)))
            counting = replace(counting, path=self._target(counting.path, own))
        return _Way(
            endpoint,
            self._target(endpoint.path, call),
            self._target(endpoint.stream_path, call),
            pair(call.dialect, endpoint.dialect),
            quirks,
            rule_of(self._vendor, call.model),
            counting,
            changes(quirks),
        )

    def _target(self, path: str, call: ModelCall) -> str:
        return self._connections.prefix + path.replace("{model}", quote(call.model, safe=""))

    def _asked(self, call: ModelCall, way: _Way) -> Asked:
        return Asked(
            call.body,
            call.model,
            call.max_output_tokens,
            streamed=call.streamed,
            may_store=call.may_store,
            beta=call.beta,
            metadata=self.metadata(call),
            one_tool=way.rule.one_tool,
            sampling=way.rule.sampling,
            thinking=way.rule.thinking,
            dimensions=way.rule.dimensions,
            quirks=way.quirks,
            marks=call.marks,
        )
