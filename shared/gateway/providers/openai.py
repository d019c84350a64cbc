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

from gateway.errors import UpstreamCredentials, UpstreamError
from gateway.providers import Connection
from gateway.providers.answers import json_object, mapping
from gateway.providers.base import Answer, ChatCall, Event
from gateway.providers.failures import refused, unanswered, unusable
from gateway.providers.openai_usage import usage_of
from gateway.providers.openai_wire import DeadlineTransport
from gateway.transport import HttpError

# At DEBUG the SDK logs whole requests, prompts included.
logging.getLogger("openai").setLevel(logging.WARNING)

_CAPS = ("max_completion_tokens", "max_tokens")
_DELIVERY = frozenset(("model", "stream", "stream_options"))


class OpenAIProvider:
    """See `gateway.providers.base.Provider`."""

    name = "openai"

    def __init__(self, connection: Connection) -> None:
        self._key = connection.api_key
        host = urlsplit(connection.endpoint).hostname or ""
        self._openai = host == "openai.com" or host.endswith(".openai.com")
        self._one_cap = self._openai or host.endswith(".azure.com")
        self._client = openai.OpenAI(
            base_url=connection.endpoint,
            api_key=self._usable_key,
            max_retries=0,
            # Absent, not read from the environment: only settings.py reads that.
            default_headers={"OpenAI-Organization": openai.omit, "OpenAI-Project": openai.omit},  # type: ignore[dict-item]  # the SDK's way to leave a header out
            http_client=httpx2.Client(
                transport=DeadlineTransport(connection.endpoint), follow_redirects=False, trust_env=False
            ),
        )

    def chat(self, call: ChatCall) -> Iterator[Event]:
        """One attempt. Raises UpstreamErrors, and what the connection's `api_key` raises."""
        body = json_object(self._send(call))
        if body is None:
            raise unusable(self.name, "malformed")
        if not _is_completion(body):
            raise unusable(self.name, "schema")
        yield Answer(body=body, usage=usage_of(body.get("usage")))

    def request_body(self, call: ChatCall) -> dict[str, Any]:
        """What leaves: the client's fields, our model id, and the enforced cap under the name the server knows: OpenAI
        (and Azure) takes one, the newer unless asked otherwise; others may know `max_tokens` alone, and always get it.

        OpenAI's service tier is named where the client names none: else a setting of our account, which may be a dearer
        tier, would decide what the call costs.
        """
        body = {name: value for name, value in call.body.items() if name not in _DELIVERY}
        named = [name for name in _CAPS if body.get(name) is not None]
        if self._openai:
            body["service_tier"] = body.get("service_tier") or "default"
        named = (named or [_CAPS[0]]) if self._one_cap else [*named, _CAPS[1]]
        for name in _CAPS:
            asked = body.pop(name, None)
            if name in named:
                positive = isinstance(asked, int) and asked > 0
                body[name] = min(asked, call.max_output_tokens) if positive else call.max_output_tokens
        return body | {"model": call.model}

    def _send(self, call: ChatCall) -> bytes:
        headers = {"content-type": "application/json", **_tracing(call.correlation_id)}
        try:
            reply = self._client.post(
                "/chat/completions",
                cast_to=httpx2.Response,
                # Bytes of our own: the SDK's encoder stumbles over a lone surrogate, which JSON may hold.
                content=json.dumps(self.request_body(call), separators=(",", ":")).encode("ascii"),
                options={"headers": headers, "timeout": call.timeout},
            )
            return reply.content
        except openai.APIStatusError as error:
            failure = _status_failure(self.name, error)
        except HttpError as error:
            failure = unanswered(self.name, error)
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
    return refused(provider, error.status_code, headers, code=details.get("code"), param=details.get("param"))


def _tracing(correlation_id: str) -> dict[str, str]:
    usable = correlation_id and correlation_id.isascii() and correlation_id.isprintable() and len(correlation_id) <= 512
    return {"X-Client-Request-Id": correlation_id} if usable else {}


def _is_completion(body: Mapping[str, Any]) -> bool:
    choices = body.get("choices")
    return (
        isinstance(choices, list)
        and bool(choices)
        and all(isinstance(choice, dict) and isinstance(choice.get("message"), dict) for choice in choices)
    )
