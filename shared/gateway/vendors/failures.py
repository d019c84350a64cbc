"""From what went wrong on the wire to the gateway's errors, the same for every vendor.

Messages are fixed texts: an upstream body may quote our key, our account or a host, so nothing of it is passed on
but a code that has the form of a code, the path of a field that has the form of one, and that a prompt was too long.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from gateway.dialects.values import json_object, mapping
from gateway.errors import UpstreamCredentials, UpstreamError, UpstreamRejected, UpstreamThrottled, UpstreamTimeout
from gateway.models.usage import Usage
from gateway.transport import HttpError, HttpReply, TimedOut, TooLarge

_WORD = re.compile(r"[A-Za-z][A-Za-z_]{0,63}")
_PARAM = re.compile(r"[A-Za-z_]+(\[\d{1,6}\]|\.[A-Za-z_]+){0,12}")
_LONGEST_WAIT = 86_400.0

# Codes that clients act on; any other stays in the log's `reason`.
PUBLIC_CODES = frozenset(("context_length_exceeded", "content_filter", "content_policy_violation"))

# How a prompt is said to be too long for a model: by OpenAI and hosts of its kind, by Bedrock, by the models behind it.
_TOO_LONG = re.compile(
    "|".join(
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
    ),
    re.IGNORECASE,
)
_LONGEST_READ = 4_000
_OF_THE_REQUEST = (400, 404, 409, 413, 415, 422)  # statuses that find a request wrong
_SHOULD_RETRY = "x-should-retry"  # how OpenAI and Anthropic tell their SDKs

# What an error type of AWS means in HTTP; its own status is not always telling (IAM's refusals come as 400).
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

# How a 403 says that it refuses the credential itself, by its code or its text: not the model, the country, the action.
_NAMES_CREDENTIAL = re.compile(
    r"api[ _-]?key|access[ _-]?key|\btoken\b|expired_?token|client_?token|authentication_?token|credential|signature"
    r"|authentication failed|unrecognized_?client|account[ _](is )?(deactivated|suspended|disabled)",
    re.IGNORECASE,
)
# How some hosts refuse a key by 400 (Gemini, xAI).
_REFUSES_KEY = re.compile(r"(API key not valid|API key expired|Incorrect API key provided)\b")


def unanswered(provider: str, error: HttpError) -> UpstreamError:
    """No whole answer came."""
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
    """A fault of our own, or of a library's, around a request."""
    return UpstreamError(f"The call to {provider} failed.", provider=provider, sent=sent, reason=fault_word(fault))


def fault_word(fault: Exception) -> str:
    """A word for logs: what kind of fault, and where. Not its text, which may quote a key or what a model said."""
    trace = fault.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    place = f"_{Path(trace.tb_frame.f_code.co_filename).stem}_{trace.tb_lineno}" if trace else ""
    return f"fault_{type(fault).__name__}{place}"


def unusable(provider: str, reason: str, *, usage: Usage | None = None, tier: str | None = None) -> UpstreamError:
    """A success whose answer is none: no JSON, an error, not of the promised shape. Its usage, if it came."""
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
    """An HTTP status that is no success. `code`, `param` and `message` are the upstream body's: the first two are
    believed only in form, of the last nothing is said but that it finds the prompt too long."""
    reason = word(code) or f"status_{status}"
    if status in (400, 413, 422) and is_too_long(message):
        reason = code = "context_length_exceeded"
    facts: dict[str, Any] = {"provider": provider, "upstream_status": status, "reason": reason}
    if status in (401, 402, 403) or (status == 400 and _says(_REFUSES_KEY.match, message)):
        refusal = UpstreamCredentials(f"The provider {provider} refused the gateway's credential.", **facts)
        refusal.of_credential = status != 403 or any(_says(_NAMES_CREDENTIAL.search, each) for each in (code, message))
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
    """The error of a status that is no success, whose body may be anything: an error object of OpenAI's, of Anthropic's
    or of AWS's form, HTML, nothing. `path` finds what it speaks of in the client's own request, by its message and its
    `param`. With a `mask`, which makes its words fit to be shown, they are told to the client."""
    # Gemini's comes in a list of one.
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
    return _says(_TOO_LONG.search, message)


def rejected_here(provider: str, message: str, param: str) -> UpstreamRejected:
    """A request this provider has no way to express; nothing was sent. `message` and `param` are our own words."""
    return UpstreamRejected(message, provider=provider, sent=False, param=param, reason="unsupported")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait as the provider asks (`retry-after-ms`, or `retry-after` in seconds or as a date), else None."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return _wait(milliseconds / 1_000)
    text = headers.get("retry-after")
    seconds = _number(text)
    if seconds is not None:
        return _wait(seconds)
    try:
        return _wait(parsedate_to_datetime(text or "").timestamp() - time.time())
    except (ValueError, OverflowError, TypeError, IndexError):  # the parser's, by what it stumbles over
        return None


def _says(match: Callable[[str], re.Match[str] | None], text: object) -> bool:
    return isinstance(text, str) and match(text[:_LONGEST_READ]) is not None


def kind_told(value: object) -> str:
    """An error's type as OpenAI and Anthropic have them; empty for AWS's, which their clients don't know."""
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
