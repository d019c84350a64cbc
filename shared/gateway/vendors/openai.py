"""OpenAI, and every server that speaks its API (Ollama, vLLM, ...), through the official SDK.

The SDK is given the body as the client wrote it and gives the answer's own bytes back: no field is dropped because a
version of the SDK does not know it. It never retries: attempts are counted, priced and timed elsewhere.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx2
import openai

from gateway.dialects.chat.answer import completion_of
from gateway.dialects.chat.policy import check_fields
from gateway.dialects.chat.usage import usage_of
from gateway.dialects.values import mapping
from gateway.errors import UpstreamCredentials, UpstreamError
from gateway.transport import HttpError
from gateway.vendors import Connection
from gateway.vendors.answers import answer_of
from gateway.vendors.base import ChatCall, Event, Prepared
from gateway.vendors.failures import faulty, refused, unanswered
from gateway.vendors.openai_wire import DeadlineTransport

# At DEBUG the SDK logs whole requests, prompts included.
logging.getLogger("openai").setLevel(logging.WARNING)

_CAPS = ("max_completion_tokens", "max_tokens")
_DELIVERY = frozenset(("model", "stream", "stream_options"))


class OpenAIProvider:
    """See `gateway.vendors.base.Provider`."""

    name = "openai"
    region = "global"

    def __init__(self, connection: Connection) -> None:
        self._key = connection.api_key
        self._passed = frozenset(connection.pass_fields)
        host = urlsplit(connection.endpoint).hostname or ""
        self._own = host == "openai.com" or host.endswith(".openai.com")
        self._one_cap = self._own or host.endswith(".azure.com")
        self._transport = DeadlineTransport(connection.endpoint)
        self._client = openai.OpenAI(
            base_url=connection.endpoint,
            api_key="given with each request",
            max_retries=0,
            # Absent, not read from the environment: only settings.py reads that.
            default_headers={"OpenAI-Organization": openai.omit, "OpenAI-Project": openai.omit},  # type: ignore[dict-item]  # the SDK's way to leave a header out
            http_client=httpx2.Client(transport=self._transport, follow_redirects=False, trust_env=False),
        )

    def prepare(self, call: ChatCall) -> Prepared:
        """Raises BadRequest for what may not leave for this host."""
        check_fields(call.body, None if self._own else self._passed)
        # Bytes of our own: the SDK's encoder stumbles over a lone surrogate, which JSON may hold.
        body = json.dumps(self.request_body(call), separators=(",", ":"), allow_nan=False).encode("ascii")
        return Prepared(call, body)

    def send(self, prepared: Prepared) -> Iterator[Event]:
        """One attempt. Raises UpstreamErrors, and what the connection's `api_key` raises."""
        reply = self._send(prepared, self._usable_key())
        yield answer_of(
            self.name,
            reply.content,
            measured=bool(reply.extensions.get("measured")),
            usage_of=usage_of,
            completion_of=lambda answer, usage: completion_of(answer, usage, model=prepared.call.model),
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

    def _send(self, prepared: Prepared, key: str) -> httpx2.Response:
        call = prepared.call
        headers = {
            "content-type": "application/json",
            "Authorization": f"Bearer {key}",
            **_tracing(call.correlation_id),
        }
        self._transport.left = False
        try:
            return self._client.post(
                "/chat/completions",
                cast_to=httpx2.Response,
                content=prepared.body,
                options={"headers": headers, "timeout": call.timeout},
            )
        except openai.APIStatusError as error:
            failure = _status_failure(self.name, error)
        except HttpError as error:
            failure = unanswered(self.name, error)
        except Exception as fault:  # noqa: BLE001  the SDK's or ours: what counts is whether the request may have left
            failure = faulty(self.name, fault, sent=self._transport.left)
        # Raised outside the handlers: an SDK error holds the request, and with it the key, and must not be its context.
        raise failure

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


def _status_failure(provider: str, error: openai.APIStatusError) -> UpstreamError:
    details = mapping(error.body)
    headers: Mapping[str, str] = error.response.headers
    told = {name: details.get(name) for name in ("code", "param", "message")}
    return refused(provider, error.status_code, headers, **told)


def _tracing(correlation_id: str) -> dict[str, str]:
    usable = correlation_id and correlation_id.isascii() and correlation_id.isprintable() and len(correlation_id) <= 512
    return {"X-Client-Request-Id": correlation_id} if usable else {}
