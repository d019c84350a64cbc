"""OpenAI, and every host that speaks its API (Groq, Ollama, vLLM, ...), by JSON over our own transport.

The body leaves as the client wrote it, and the answer is read from the bytes that came: no field is dropped because
nobody here knows it. An attempt is one request: attempts are counted, priced and timed elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from gateway.dialects.chat.answer import completion_of
from gateway.dialects.chat.policy import check_fields
from gateway.dialects.chat.usage import usage_of
from gateway.dialects.values import json_object, mapping
from gateway.errors import UpstreamCredentials, UpstreamError
from gateway.models.vendors import Vendor, quirks_at
from gateway.transport import Connections, HttpReply
from gateway.vendors import Connection
from gateway.vendors.answers import Posted, answer_of, answered, posted
from gateway.vendors.base import ChatCall, Event, Prepared
from gateway.vendors.credentials import usable
from gateway.vendors.failures import refused

_CAPS = ("max_completion_tokens", "max_tokens")
_DELIVERY = frozenset(("model", "stream", "stream_options"))


class OpenAIProvider:
    """See `gateway.vendors.base.Provider`."""

    region = "global"

    def __init__(self, vendor: Vendor, connection: Connection) -> None:
        self.name, self._connection = vendor.name, connection
        self._quirks = quirks_at(connection.endpoint, vendor.quirks)
        self._passed = frozenset((*self._quirks.pass_fields, *connection.pass_fields))
        self._connections = Connections(connection.endpoint, connection.destinations.resolver(connection.endpoint))
        self._target = self._connections.prefix + vendor.endpoints["chat"].path

    def prepare(self, call: ChatCall) -> Prepared:
        """Raises BadRequest for what may not leave for this host."""
        check_fields(call.body, None if self._quirks.passes_all else self._passed)
        # ASCII: JSON may hold a lone surrogate, which UTF-8 has no bytes for.
        body = json.dumps(self.request_body(call), separators=(",", ":"), allow_nan=False).encode("ascii")
        return Prepared(call, body)

    def send(self, prepared: Prepared) -> Iterator[Event]:
        """One attempt. Raises UpstreamErrors, and what the connection's `api_key` raises."""
        call = prepared.call

        def post(key: str, seconds: float) -> Posted:
            headers = {
                "content-type": "application/json",
                "accept": "application/json",
                "user-agent": "ai-model-gateway",  # some hosts turn away who names nothing
                "authorization": f"Bearer {key}",
                **_tracing(call.correlation_id),
            }
            return posted(self.name, self._connections, self._target, prepared.body, headers, seconds)

        def failure(reply: HttpReply) -> UpstreamError:
            return _status_failure(self.name, reply)

        reply, measured = answered(self._usable_key, self._connection.another, call.timeout, post, failure)
        yield answer_of(
            self.name,
            reply.body,
            measured=measured,
            usage_of=usage_of,
            completion_of=lambda answer, usage: completion_of(answer, usage, model=call.model),
        )

    def request_body(self, call: ChatCall) -> dict[str, Any]:
        """What leaves: the client's fields, our model id, the enforced cap under the names that the host knows, and its
        service tier where the client names none (`gateway.models.vendors` says why)."""
        body = {name: value for name, value in call.body.items() if name not in _DELIVERY}
        named = [name for name in _CAPS if body.get(name) is not None]
        if self._quirks.service_tier:
            body["service_tier"] = body.get("service_tier") or self._quirks.service_tier
        known = self._quirks.caps
        capped = ([name for name in named if name in known] or known[:1]) if known else [*named, "max_tokens"]
        for name in _CAPS:
            asked = body.pop(name, None)
            if name in capped:
                positive = isinstance(asked, int) and not isinstance(asked, bool) and asked > 0
                body[name] = min(asked, call.max_output_tokens) if positive else call.max_output_tokens
        return body | {"model": call.model}

    def _usable_key(self) -> str:
        key = self._connection.api_key() if self._connection.api_key else "none"
        if not usable(key):
            # http.client would quote such a header's value in its error.
            raise UpstreamCredentials(
                f"The gateway's credential for {self.name} is unusable.",
                provider=self.name,
                sent=False,
                reason="unusable_key",
            )
        return key


def _status_failure(provider: str, reply: HttpReply) -> UpstreamError:
    """The error of a status that is no success. Its body may be anything: an error object, HTML, nothing."""
    body = json_object(reply.body) or {}
    details = mapping(body.get("error", body))
    told = {name: details.get(name) for name in ("code", "param", "message")}
    return refused(provider, reply.status, reply.headers, **told)


def _tracing(correlation_id: str) -> dict[str, str]:
    usable = correlation_id and correlation_id.isascii() and correlation_id.isprintable() and len(correlation_id) <= 512
    return {"x-client-request-id": correlation_id} if usable else {}
