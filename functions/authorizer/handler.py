"""The authorizer: it checks identity only, and denies by default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway import observability
from gateway.api.message import correlation_id
from gateway.errors import StoreUnavailable, Unauthorized
from gateway.identity import key_text as keys
from gateway.identity.caller import Caller
from gateway.identity.verification import UNVERIFIED
from gateway.runs import run
from gateway.wiring import gateway

Event = Mapping[str, Any]


def handler(event: Event, _context: Any) -> dict[str, Any]:
    """Answers an HTTP API (simple response) or a REST API (IAM policy), depending on the shape of the event."""
    with run("authorizer", _correlation_id(event)) as this:
        caller, context, allowed = None, {}, False
        header = key = ""
        try:
            header, key = _sent(event)
            caller = gateway().identity.verify(key)
            context = caller.to_context() if caller else {}
            allowed = caller is not None
            if not allowed:
                observability.count("Refusals", reason=Unauthorized.default_code)
        except StoreUnavailable:
            # A failure of the store must not look like a refused key: the function checks again, and answers 503 if it
            # can't. It must check the same key as the authorizer, so the key's header and id are passed on.
            context, allowed, this.status = {UNVERIFIED: header, "keyId": keys.key_id(key) or ""}, True, 503
        except Exception:  # noqa: BLE001  deny by default, whatever it was
            observability.log.exception("denied by an unexpected error")
            this.status = 500
        observability.log.info("authorized", extra={"allowed": allowed, "key_id": caller.key_id if caller else None})
    return _policy(event, allowed, context, caller) if "methodArn" in event else _simple(allowed, context)


def _correlation_id(event: Event) -> str:
    """The caller's own id; empty if it sent none. The function then makes one, which is not known here."""
    headers = event.get("headers")
    pairs = headers.items() if isinstance(headers, Mapping) else ()
    sent = next((text for name, text in pairs if name.lower() == "x-correlation-id"), None)
    return correlation_id(sent) if isinstance(sent, str) else ""


def _sent(event: Event) -> tuple[str, str]:
    """The header that is this authorizer's identity source, and the key in it; both empty if there is no key.

    The API caches the answer by the identity source's value: no other part of the event may decide it.
    """
    value = _identity_source(event)
    headers = event.get("headers")
    named = {name.lower(): text for name, text in headers.items()} if isinstance(headers, Mapping) else {}
    holding = [name for name in (keys.X_API_KEY, keys.AUTHORIZATION) if named.get(name) == value]
    # The event has the source's value, not its name. If the headers don't tell the name, the value's form does.
    header = holding[0] if len(holding) == 1 else keys.header_of(value)
    return header, keys.in_header(header, value)


def _identity_source(event: Event) -> str:
    """The only value of the identity source; empty if the event has none, or several."""
    source = event.get("identitySource", event.get("authorizationToken"))
    if "methodArn" in event and source is None:
        source = _sent_headers(event)
    values = source if isinstance(source, list) else [source]
    return values[0] if len(values) == 1 and isinstance(values[0], str) else ""


def _sent_headers(event: Event) -> list[Any]:
    """All values of the two headers for keys, from a REST API's event, which names no identity source.

    The API does not call the authorizer if the source is missing. So if one value was sent, it is the source's.
    """
    many, one = event.get("multiValueHeaders"), event.get("headers")
    pairs = (many if isinstance(many, Mapping) else one if isinstance(one, Mapping) else {}).items()
    found = [value for name, value in pairs if name.lower() in (keys.X_API_KEY, keys.AUTHORIZATION)]
    return [each for value in found for each in (value if isinstance(value, list) else [value])]


def _simple(allowed: bool, context: Mapping[str, str]) -> dict[str, Any]:
    return {"isAuthorized": allowed, "context": dict(context)}


def _policy(event: Event, allowed: bool, context: Mapping[str, str], caller: Caller | None) -> dict[str, Any]:
    # The policy covers the whole stage, as a cached answer does. The functions check scopes.
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
