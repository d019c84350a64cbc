"""The headers that browsers may send: each one that a client library sets is in shared/cors.json. Otherwise its
preflight fails.

The lists were recorded from the libraries themselves, run with a fetch of the test's own; names that CORS allows anyhow
(accept, accept-language, content-language) are left out.
"""

import re
from pathlib import Path
from typing import get_args

import pytest
from openai import _base_client

from gateway.identity.account_ids import Scope
from tools.local.emulator import ROOT
from tools.manifest import load

CORS = load(ROOT).cors
SENT = {
    # npm openai 6.49.0: chat completions (create, stream, runTools), models, embeddings, responses, beta.
    "openai-js": "authorization content-type openai-beta openai-organization openai-project user-agent x-stainless-arch"
    " x-stainless-helper-method x-stainless-lang x-stainless-os x-stainless-package-version x-stainless-retry-count"
    " x-stainless-runtime x-stainless-runtime-version x-stainless-timeout",
    # Its helpers that poll, and options of a single request.
    "openai-js helpers": "idempotency-key x-stainless-custom-poll-interval x-stainless-poll-helper",
    # npm @anthropic-ai/sdk 1.14.0, with dangerouslyAllowBrowser.
    "anthropic-js": "anthropic-beta anthropic-dangerous-direct-browser-access anthropic-version authorization"
    " content-type user-agent x-api-key x-stainless-helper x-stainless-helper-method x-stainless-timeout",
    # npm @modelcontextprotocol/sdk 1.32.2; mcp-method and mcp-name from version 2026-07-28 of the protocol.
    "mcp": "authorization content-type last-event-id mcp-method mcp-name mcp-protocol-version mcp-session-id",
    "w3c trace context": "traceparent tracestate baggage",
    "the gateway's own": "x-api-key x-correlation-id idempotency-key if-match content-encoding",
}


@pytest.mark.parametrize("client", SENT)
def test_what_a_client_sends_may_be_sent(client: str) -> None:
    assert set(SENT[client].split()) <= set(CORS.allow_headers)


def test_what_openai_s_libraries_say_of_themselves_may_be_sent() -> None:
    names = {name.lower() for name in _base_client.platform_headers("1", platform=None)}
    assert len(names) > 4
    assert names <= set(CORS.allow_headers)
    told = re.compile(r"x-stainless-[a-z-]+", re.I)
    sources = Path(_base_client.__file__).parent.rglob("*.py")
    written = {name.lower() for path in sources for name in told.findall(path.read_text(encoding="utf-8"))}
    assert written <= set(CORS.allow_headers)


def test_names_are_written_once_and_in_lower_case() -> None:
    for names in (CORS.allow_headers, CORS.expose_headers):
        assert len(set(names)) == len(names)
        assert all(re.fullmatch(r"[a-z0-9-]+", name) for name in names)  # "*" would not cover authorization


def test_a_page_may_read_what_is_left_of_a_budget_and_the_platforms_own_id() -> None:
    """The gateway names one id for each account of a call; an answer of API Gateway itself has only the other id."""
    left = {f"x-gateway-{scope}-remaining" for scope in get_args(Scope)}
    assert left | {"apigw-requestid"} <= set(CORS.expose_headers)
