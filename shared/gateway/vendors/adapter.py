"""What every adapter does alike: choose an endpoint, translate, send, read. How a kind of provider is told who calls is
all that sets one apart from another."""

from __future__ import annotations

import json
import re
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import quote

from gateway.dialects.pairs import Asked, Pair, pair
from gateway.dialects.unsupported import Unsupported, named
from gateway.dialects.written import Written
from gateway.errors import UpstreamError
from gateway.models.usage import Usage
from gateway.models.vendors import Endpoint, ModelRule, Quirks, Vendor, endpoint_for, needs_profile, quirks_of, rule_of
from gateway.transport import Connections, HttpReply
from gateway.vendors import Connection
from gateway.vendors.answers import Posted, answer_of, answered, posted
from gateway.vendors.base import Event, ModelCall, Prepared
from gateway.vendors.failures import rejected_here, status_failure

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_REQUEST_IDS: Final = ("x-amzn-requestid", "request-id")  # as providers name it
_MOST_WAYS: Final = 1_000
JSON_HEADERS: Final[Mapping[str, str]] = {"content-type": "application/json", "accept": "application/json"}


@dataclass(frozen=True, slots=True)
class _Way:
    """Where calls of a client's dialect for a model go, and what they become on the way."""

    endpoint: Endpoint
    spoken: Pair
    quirks: Quirks
    rule: ModelRule


class Adapter(ABC):
    """See `gateway.vendors.base.Provider`."""

    region = "global"

    def __init__(self, vendor: Vendor, connection: Connection) -> None:
        self.name, self._vendor, self._connection = vendor.name, vendor, connection
        self._connections = Connections(connection.endpoint, connection.destinations.resolver(connection.endpoint))
        self._ways: dict[tuple[str, str, str], _Way] = {}

    def prepare(self, call: ModelCall) -> Prepared:
        """Raises BadRequest or UpstreamRejected for what may not leave, or can't be said there."""
        way = self._way(call)
        written = self.written(call, way)
        # ASCII: JSON may hold a lone surrogate, which UTF-8 has no bytes for.
        body = json.dumps(written.body, separators=(",", ":"), allow_nan=False).encode("ascii")
        dropped = named(written.dropped) if written.dropped else ()
        return Prepared(call, way.endpoint, body, dropped, written.names)

    def send(self, prepared: Prepared) -> Iterator[Event]:
        """One attempt. Raises UpstreamErrors, and what the connection's credential raises."""
        call, endpoint = prepared.call, prepared.endpoint
        spoken = pair(call.dialect, endpoint.dialect)
        target = self._connections.prefix + endpoint.path.replace("{model}", quote(call.model, safe=""))

        def post(held: Any, seconds: float) -> Posted:
            headers = self.headers(held, target, prepared)
            return posted(self.name, self._connections, target, prepared.body, headers, seconds)

        def failure(reply: HttpReply) -> UpstreamError:
            return status_failure(
                self.name, reply, lambda message, param: spoken.path(message, param, self._asked(call, self._way(call)))
            )

        reply, measured = answered(self.credential, self._connection.another, call.timeout, post, failure)

        def completed(answer: Mapping[str, Any], usage: Usage | None) -> dict[str, Any] | None:
            return spoken.answer(answer, usage, names=prepared.names, known=lambda: _known(reply), model=call.model)

        yield answer_of(
            self.name,
            reply.body,
            measured=measured,
            usage_of=spoken.usage_of,
            completion_of=completed,
            headers=reply.headers,
        )

    def written(self, call: ModelCall, way: _Way) -> Written:
        """The request as it leaves, and what is needed to read what comes back."""
        quirks = way.quirks
        try:
            written = way.spoken.request(self._asked(call, way))
        except Unsupported as reason:
            raise rejected_here(self.name, str(reason), reason.param) from None
        for name, value in quirks.fixed:
            if written.body.get(name) not in (None, value):
                written.dropped.append(name)
            written.body[name] = value
        return written

    @abstractmethod
    def credential(self) -> Any:
        """What proves who calls. Raises UpstreamErrors (not sent)."""

    @abstractmethod
    def headers(self, held: Any, target: str, prepared: Prepared) -> Mapping[str, str]:
        """A request's headers, with a credential of ours."""

    def metadata(self, call: ModelCall) -> Mapping[str, str]:
        """What shall stand in the provider's own log of a call, in the form that it takes."""
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
            endpoint = endpoint_for(self._vendor, call.model, call.dialect, forced=call.endpoint)
        except LookupError:
            message = f"The provider {self.name} has no endpoint {call.endpoint}."
            raise rejected_here(self.name, message, "model") from None
        if needs_profile(self._vendor, call.model):
            message = f"The model {call.model} answers by an inference profile alone, such as us.{call.model}."
            raise rejected_here(self.name, message, "model")
        quirks = quirks_of(self._vendor, endpoint, self._connection.endpoint)
        quirks = replace(quirks, pass_fields=(*quirks.pass_fields, *self._connection.pass_fields))
        return _Way(endpoint, pair(call.dialect, endpoint.dialect), quirks, rule_of(self._vendor, call.model))

    def _asked(self, call: ModelCall, way: _Way) -> Asked:
        return Asked(
            call.body,
            call.model,
            call.max_output_tokens,
            beta=call.beta,
            metadata=self.metadata(call),
            one_tool=way.rule.one_tool,
            sampling=way.rule.sampling,
            quirks=way.quirks,
        )


def _known(reply: HttpReply) -> str:
    """What the provider knows an answer by, fit for its id."""
    told = (reply.headers.get(name, "") for name in _REQUEST_IDS)
    return next((each for each in told if _REQUEST_ID.fullmatch(each)), "") or str(uuid.uuid4())
