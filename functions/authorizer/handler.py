"""The authorizer: identity only, deny by default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway import observability, wiring
from gateway.domain.identity import Caller
from gateway.errors import StoreUnavailable, Unauthorized
from gateway.http.message import correlation_id
from gateway.runs import run
from gateway.services.identity import UNVERIFIED

Event = Mapping[str, Any]


def handler(event: Event, _context: Any) -> dict[str, Any]:
    """Answers an HTTP API (simple response) or a REST API (IAM policy), by the shape of the event."""
    with run("authorizer", _correlation_id(event)) as this:
        caller, context, allowed = None, {}, False
        try:
            caller = wiring.identity().verify(_sent_key(event))
            context = caller.to_context() if caller else {}
            allowed = caller is not None
            if not allowed:
                observability.count("Refusals", reason=Unauthorized.default_code)
        except StoreUnavailable:
            # A store's failure must not read as a refused key: the function checks again, and answers 503 if it can't.
            context, allowed, this.status = {UNVERIFIED: "1"}, True, 503
        except Exception:  # noqa: BLE001  deny by default, whatever it was
            observability.log.exception("denied by an unexpected error")
            this.status = 500
        observability.log.info("authorized", extra={"allowed": allowed, "key_id": caller.key_id if caller else None})
    return _policy(event, allowed, context, caller) if "methodArn" in event else _simple(allowed, context)


def _correlation_id(event: Event) -> str:
    """The caller's own; where it sent none, the function makes one that nobody knows here."""
    headers = event.get("headers")
    pairs = headers.items() if isinstance(headers, Mapping) else ()
    sent = next((text for name, text in pairs if name.lower() == "x-correlation-id"), None)
    return correlation_id(sent) if isinstance(sent, str) else ""


def _sent_key(event: Event) -> str:
    """The key of the header this authorizer is set on; empty where it is missing or doubled."""
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    if "x-api-key" in headers and not _bearer_source(event):
        return str(headers["x-api-key"]).strip()
    kind, _, key = str(headers.get("authorization", "")).partition(" ")
    return key.strip() if kind.lower() == "bearer" else ""


def _bearer_source(event: Event) -> bool:
    # identitySource holds the values the API took; it tells which of the two headers the route goes by.
    source = event.get("identitySource")
    values = source if isinstance(source, list) else [source]
    return any(isinstance(value, str) and value[:7].lower() == "bearer " for value in values)


def _simple(allowed: bool, context: Mapping[str, str]) -> dict[str, Any]:
    return {"isAuthorized": allowed, "context": dict(context)}


def _policy(event: Event, allowed: bool, context: Mapping[str, str], caller: Caller | None) -> dict[str, Any]:
    # The whole stage, since a cached answer covers every route of it; scopes are checked in the functions.
    arn, stage = str(event["methodArn"]).split("/")[:2]
    return {
        "principalId": caller.key_id if caller else "unknown",
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Action": "execute-api:Invoke",
                    "Effect": "Allow" if allowed else "Deny",
                    "Resource": f"{arn}/{stage}/*",
                }
            ],
        },
        "context": dict(context),
    }
