"""Turns failures on the wire into the gateway's errors, in the same way for every vendor.

Messages are fixed texts, because an upstream body may quote our key, our account or a host. Only three facts are passed
on: a code that has the form of a code, the path of a field that has the form of a path, and that a prompt was too long.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gateway.dialects.values import json_object, mapping
from gateway.errors import UpstreamCredentials, UpstreamError, UpstreamRejected, UpstreamThrottled, UpstreamTimeout
from gateway.http1 import HttpReply
from gateway.models.usage import Usage
from gateway.transport import HttpError, TimedOut, TooLarge

_WORD = re.compile(r"[A-Za-z][A-Za-z_]{0,63}")
_PARAM = re.compile(r"[A-Za-z_]+(\[\d{1,6}\]|\.[A-Za-z_]+){0,12}")
_LONGEST_WAIT = 86_400.0

# Codes that clients act on; any other stays in the log's `reason`.
PUBLIC_CODES = frozenset(("context_length_exceeded", "content_filter", "content_policy_violation"))

# Expressions that only some failures are searched with are texts: `re` compiles them on first use, not at each start.
# The messages for a prompt that is too long: from OpenAI and similar hosts, from Bedrock, and from the models behind
# it.
_TOO_LONG = "(?i)" + "|".join(
    (
        r"(input|prompt|conversation|messages?)\b[^.]{0,40} (is|are) too (long|large)\b",
        r"too many (input |prompt )?tokens",
        r"too large for model",
        r"(maximum|max|model'?s) (model |allowed )?(context|input|prompt|sequence) (length|size|window)",
        r"exceed\w*( the)?( model'?s?)?( maximum| available| allowed)?( model)? "
        r"(context|prompt length|input tokens?|number of (input )?tokens)",
        r"context (length|window|size)[^.]{0,20} exceeded",
        r"longer than the (model'?s )?context",
        r"reduce the length of the (input|prompt|messages)",
    )
)
_LONGEST_READ = 4_000
_OF_THE_REQUEST = (400, 404, 409, 413, 415, 422)  # statuses that mean that the request is wrong
_SHOULD_RETRY = "x-should-retry"  # the header by which OpenAI and Anthropic tell their SDKs

# The HTTP status for AWS's error types, because AWS's own status does not always fit (IAM's refusals come as 400).
STATUS_BY_TYPE = {
    "AccessDeniedException": 403,
    "ExpiredToken": 403,
    "ExpiredTokenException": 403,
    "IncompleteSignature": 403,
    "InvalidClientTokenId": 403,
    "InvalidSignatureException": 403,
    "MissingAuthenticationToken": 403,
    "MissingAuthenticationTokenException": 403,
    "UnrecognizedClientException": 403,
    "ThrottlingException": 429,
    "TooManyRequestsException": 429,
    "ServiceQuotaExceededException": 429,
    "ModelNotReadyException": 429,
    "ModelTimeoutException": 408,
    "ModelErrorException": 502,
    "ModelStreamErrorException": 502,
    "InternalServerException": 500,
    "ServiceUnavailableException": 503,
    "ValidationException": 400,
    "ResourceNotFoundException": 404,
}

# The code or text of a 403 that refuses the credential itself, and not the model, the country or the action.
_NAMES_CREDENTIAL = (
    r"(?i)api[ _-]?key|access[ _-]?key|\btoken\b|expired_?token|client_?token|authentication_?token|credential"
    r"|signature|authentication failed|unrecognized_?client|account[ _](is )?(deactivated|suspended|disabled)"
)
# The text of some hosts' 400 for a refused key (Gemini, xAI).
_REFUSES_KEY = r"\A(API key not valid|API key expired|Incorrect API key provided)\b"


def unanswered(provider: str, error: HttpError) -> UpstreamError:
    """The error for an answer that did not come whole."""
    if isinstance(error, TimedOut):
        return UpstreamTimeout(
            f"The provider {provider} did not answer in time.", provider=provider, sent=error.sent, reason="timeout"
        )
    if isinstance(error, TooLarge):
        return UpstreamError(f"The provider {provider} gave no usable answer.", provider=provider, reason="too_large")
    if not error.sent:
        return UpstreamError(
            f"The provider {provider} could not be reached.", provider=provider, sent=False, reason="unreachable"
        )
    return UpstreamError(f"The connection to {provider} broke.", provider=provider, reason="broken")


def faulty(provider: str, fault: Exception, *, sent: bool) -> UpstreamError:
    """The error for a fault of ours or of a library during a request."""
    return UpstreamError(f"The call to {provider} failed.", provider=provider, sent=sent, reason=fault_word(fault))


def fault_word(fault: Exception) -> str:
    """A word for logs: the kind of fault and its place. Not its text, which may quote a key or a model's answer."""
    trace = fault.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    place = f"_{Path(trace.tb_frame.f_code.co_filename).stem}_{trace.tb_lineno}" if trace else ""
    return f"fault_{type(fault).__name__}{place}"


def unusable(provider: str, reason: str, *, usage: Usage | None = None, tier: str | None = None) -> UpstreamError:
    """The error for a success that has no usable answer: not JSON, an error, or not of the promised shape. It has the
    usage, if that came."""
    return UpstreamError(
        f"The provider {provider} gave no usable answer.",
        provider=provider,
        upstream_status=200,
        reason=reason,
        usage=usage,
        tier=tier,
    )


def refused(
    provider: str,
    status: int,
    headers: Mapping[str, str],
    *,
    code: object = None,
    param: object = None,
    message: object = None,
) -> UpstreamError:
    """The error for a status that is not a success. `code`, `param` and `message` come from the upstream body. The
    first two are used only if they have the right form. The message is only checked for whether the prompt was too
    long."""
    reason = word(code) or f"status_{status}"
    if status in (400, 413, 422) and is_too_long(message):
        reason = code = "context_length_exceeded"
    facts: dict[str, Any] = {"provider": provider, "upstream_status": status, "reason": reason}
    if status in (401, 402, 403) or (status == 400 and _says(_REFUSES_KEY, message)):
        refusal = UpstreamCredentials(f"The provider {provider} refused the gateway's credential.", **facts)
        refusal.of_credential = status != 403 or any(_says(_NAMES_CREDENTIAL, each) for each in (code, message))
        return refusal
    if status in _OF_THE_REQUEST:
        detail, where = f" ({code})" if word(code) else "", _param(param)
        at = f" at {where}" if where else ""
        found = "has no such model, or is not at this address" if status == 404 else "found the request wrong"
        return UpstreamRejected(
            f"The provider {provider} {found}{at}{detail}.",
            param=where,
            code=reason if reason in PUBLIC_CODES else None,
            **facts,
        )
    wait = retry_after(headers)
    if status == 429:
        return UpstreamThrottled(f"The provider {provider} is throttling.", retry_after=wait, **facts)
    if status in (408, 504):
        return UpstreamTimeout(f"The provider {provider} ran out of time.", retry_after=wait, **facts)
    return UpstreamError(f"The provider {provider} failed with status {status}.", retry_after=wait, **facts)


def status_failure(
    provider: str,
    reply: HttpReply,
    path: Callable[[object, object], str | None],
    mask: Callable[[object], str] | None = None,
) -> UpstreamError:
    """The error for a response whose status is not a success. Its body may be anything: an error object in OpenAI's,
    Anthropic's or AWS's form, HTML, or empty. `path` finds the field of the client's own request that the error's
    message and `param` refer to. With a `mask`, which makes the provider's text fit to be shown, the client gets that
    text."""
    # Gemini sends it in a list of one.
    body = json_object(reply.body) or json_object(reply.body.strip().removeprefix(b"[").removesuffix(b"]")) or {}
    typed = reply.headers.get("x-amzn-errortype") or body.get("__type") or ""
    kind = word(str(typed).split(":")[0].rpartition("#")[2])
    error = body.get("error", body)
    details = mapping(error)
    code = details.get("type") if body.get("type") == "error" else details.get("code")
    code = code if isinstance(code, str) else details.get("status")
    message = error if isinstance(error, str) else details.get("message", details.get("Message"))
    status = STATUS_BY_TYPE.get(kind or "", reply.status)
    param = path(message, details.get("param")) if status in _OF_THE_REQUEST else None
    failure = refused(provider, status, reply.headers, code=kind or code, param=param, message=message)
    failure.upstream_status = reply.status
    if mask is not None and not isinstance(failure, UpstreamCredentials):
        failure.told, failure.told_kind = mask(message), kind_told(details.get("type"))
    if reply.headers.get(_SHOULD_RETRY) in ("true", "false"):
        failure.headers[_SHOULD_RETRY] = reply.headers[_SHOULD_RETRY]
    return failure


def is_too_long(message: object) -> bool:
    """Whether a text says that the prompt is longer than the model can read."""
    return _says(_TOO_LONG, message)


def rejected_here(provider: str, message: str, param: str) -> UpstreamRejected:
    """The error for a request that this provider can't express; nothing was sent. `message` and `param` are the
    gateway's own."""
    return UpstreamRejected(message, provider=provider, sent=False, param=param, reason="unsupported")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds to wait that the provider asks for (`retry-after-ms`, or `retry-after` in seconds or as a date), else
    None."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return _wait(milliseconds / 1_000)
    text = headers.get("retry-after")
    seconds = _number(text)
    if seconds is not None:
        return _wait(seconds)
    from email.utils import parsedate_to_datetime  # hardly ever needed

    try:
        return _wait(parsedate_to_datetime(text or "").timestamp() - time.time())
    except (ValueError, OverflowError, TypeError, IndexError):  # the date parser raises different errors
        return None


def _says(expression: str, text: object) -> bool:
    return isinstance(text, str) and re.search(expression, text[:_LONGEST_READ]) is not None


def kind_told(value: object) -> str:
    """An error's type in OpenAI's and Anthropic's form; empty for AWS's types, which their clients don't know."""
    kind = word(value) or ""
    return kind if kind.endswith("_error") or kind == "request_too_large" else ""


def word(value: object) -> str | None:
    """`value` if it has the form of an error code: letters and underscores. A key or an account has digits."""
    return value if isinstance(value, str) and _WORD.fullmatch(value) else None


def _param(value: object) -> str | None:
    return value if isinstance(value, str) and len(value) <= 128 and _PARAM.fullmatch(value) else None


def _wait(seconds: float) -> float:
    return min(max(seconds, 0.0), _LONGEST_WAIT)


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None
