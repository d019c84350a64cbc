"""OpenAI, and every server that speaks its API (Ollama, vLLM, ...), by JSON over our own transport.

The body leaves as the client wrote it, and the answer is read from the bytes that came: no field is dropped because
nobody here knows it. An attempt is one request: attempts are counted, priced and timed elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from gateway.dialects.chat.answer import completion_of
from gateway.dialects.chat.policy import check_fields
from gateway.dialects.chat.usage import usage_of
from gateway.dialects.values import json_object, mapping
from gateway.errors import UpstreamCredentials, UpstreamError
from gateway.ledger.charge import succeeded
from gateway.transport import Connections, HttpReply
from gateway.vendors import Connection
from gateway.vendors.answers import answer_of, posted
from gateway.vendors.base import ChatCall, Event, Prepared
from gateway.vendors.failures import refused

_CAPS = ("max_completion_tokens", "max_tokens")
_DELIVERY = frozenset(("model", "stream", "stream_options"))


class OpenAIProvider:
    """See `gateway.vendors.base.Provider`."""

    name = "openai"

    def __init__(self, connection: Connection) -> None:
        self._key = connection.api_key
        self._passed = frozenset(connection.pass_fields)
        host = urlsplit(connection.endpoint).hostname or ""
        self._own = host == "openai.com" or host.endswith(".openai.com")
        self._one_cap = self._own or host.endswith(".azure.com")
        self._connections = Connections(connection.endpoint)

    def prepare(self, call: ChatCall) -> Prepared:
        """Raises BadRequest for what may not leave for this host."""
        check_fields(call.body, None if self._own else self._passed)
        # ASCII: JSON may hold a lone surrogate, which UTF-8 has no bytes for.
        body = json.dumps(self.request_body(call), separators=(",", ":"), allow_nan=False).encode("ascii")
        return Prepared(call, body)

    def send(self, prepared: Prepared) -> Iterator[Event]:
        """One attempt. Raises UpstreamErrors, and what the connection's `api_key` raises."""
        call = prepared.call
        headers = {
            "content-type": "application/json",
            "accept": "application/json",
            "user-agent": "ai-model-gateway",  # some hosts turn away who names nothing
            "authorization": f"Bearer {self._usable_key()}",
            **_tracing(call.correlation_id),
        }
        target = f"{self._connections.prefix}/chat/completions"
        reply, measured = posted(self.name, self._connections, target, prepared.body, headers, call.timeout)
        if not succeeded(reply.status):
            raise _status_failure(self.name, reply)
        yield answer_of(
            self.name,
            reply.body,
            measured=measured,
            usage_of=usage_of,
            completion_of=lambda answer, usage: completion_of(answer, usage, model=call.model),
        )

    def request_body(self, call: ChatCall) -> dict[str, Any]:
        """What leaves: the client's fields, our model id, and the enforced cap under the name the server knows: OpenAI
        (and Azure) takes one, the newer unless asked otherwise; others may know `max_tokens` alone, and always get it.

        OpenAI's service tier is named where the client names none: else a setting of our account, which may be a dearer
        tier, would decide what the call costs.
        """
        body = {name: value for name, value in call.body.items() if name not in _DELIVERY}
        named = [name for name in _CAPS if body.get(name) is not None]
        if self._own:
            body["service_tier"] = body.get("service_tier") or "default"
        named = (named or [_CAPS[0]]) if self._one_cap else [*named, _CAPS[1]]
        for name in _CAPS:
            asked = body.pop(name, None)
            if name in named:
                positive = isinstance(asked, int) and not isinstance(asked, bool) and asked > 0
                body[name] = min(asked, call.max_output_tokens) if positive else call.max_output_tokens
        return body | {"model": call.model}

    def _usable_key(self) -> str:
        key = self._key() if self._key else "none"
        if not key.isascii() or not key.isprintable() or not key or " " in key:
            # http.client would quote such a header's value in its error.
            raise UpstreamCredentials(
                "The gateway's credential for openai is unusable.",
                provider=self.name,
                sent=False,
                reason="unusable_key",
            )
        return key


def _status_failure(provider: str, reply: HttpReply) -> UpstreamError:
    """The error of a status that is no success. Its body may be anything: an error object, HTML, nothing."""
    body = json_object(reply.body) or {}
    details = mapping(body.get("error", body))
    return refused(provider, reply.status, reply.headers, code=details.get("code"), param=details.get("param"))


def _tracing(correlation_id: str) -> dict[str, str]:
    usable = correlation_id and correlation_id.isascii() and correlation_id.isprintable() and len(correlation_id) <= 512
    return {"x-client-request-id": correlation_id} if usable else {}
