"""Every error that the gateway raises, as a tree. Facts are in attributes; nothing is ever parsed from a message.

GatewayError                        an answer for the caller: status, type, code, param, retry_after, headers
├── BadRequest                  400 invalid_request_error
├── Unauthorized                401 invalid_api_key
├── BudgetExceeded              402 budget_exceeded        never worth a retry
├── Forbidden                   403 insufficient_scope
├── NotFound                    404 not_found / model_not_found
├── Conflict                    409 conflict
├── PreconditionFailed          412 precondition_failed    If-Match does not match
├── BodyTooLarge                413 request_too_large
├── UnsupportedMediaType        415 unsupported_media_type
├── UnprocessableContent        422 idempotency_key_reused another request used this Idempotency-Key
├── RateLimited                 429 rate_limit_exceeded / budget_held
├── UpstreamError               502 upstream_error         a provider's fault, shaped for the caller
│   ├── UpstreamCredentials     502 upstream_credentials   our credential was refused, never a 401 to the caller
│   ├── UpstreamRejected        400 upstream_rejected      the provider found the request itself wrong
│   ├── UpstreamThrottled       429 upstream_throttled     carries the provider's retry-after
│   ├── UpstreamUnavailable     503 upstream_unavailable   the breaker is open, nothing is left to try
│   └── UpstreamTimeout         504 upstream_timeout
├── StoreUnavailable            503 store_unavailable      never 401, whatever was being read
└── InternalError               500 internal_error

StoreError                          between stores and services; never reaches a caller unchanged
├── ConditionFailed                 the condition of a single write was false; `item` is the stored item
├── TransactionCanceled             `reasons` as DynamoDB gives them, one per operation
└── StoreRejected                   DynamoDB refused the request itself: a defect of ours
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar


class GatewayError(Exception):
    """An answer for the caller.

    `message` is safe to show. `retry_after` is in seconds (fractions allowed). `headers` are added to the
    response. `details` are further facts for the body's `error` object (limits, sums), JSON values only. `charged` is
    what the failed call cost, in micro-dollars: an answer that cost money is kept under its Idempotency-Key.
    """

    status: ClassVar[int] = 500
    type: ClassVar[str] = "api_error"
    default_code: ClassVar[str] = "internal_error"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        retry_after: float | None = None,
        headers: Mapping[str, str] | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.param = param
        self.retry_after = retry_after
        self.headers = dict(headers or {})
        self.details = dict(details or {})
        self.charged = 0


class BadRequest(GatewayError):
    status = 400
    type = "invalid_request_error"
    default_code = "invalid_request"


class Unauthorized(GatewayError):
    status = 401
    type = "authentication_error"
    default_code = "invalid_api_key"


class BudgetExceeded(GatewayError):
    status = 402
    type = "insufficient_quota"
    default_code = "budget_exceeded"


class Forbidden(GatewayError):
    status = 403
    type = "permission_error"
    default_code = "insufficient_scope"


class NotFound(GatewayError):
    status = 404
    type = "invalid_request_error"
    default_code = "not_found"


class Conflict(GatewayError):
    status = 409
    type = "invalid_request_error"
    default_code = "conflict"


class PreconditionFailed(GatewayError):
    status = 412
    type = "invalid_request_error"
    default_code = "precondition_failed"


class BodyTooLarge(GatewayError):
    status = 413
    type = "invalid_request_error"
    default_code = "request_too_large"


class UnsupportedMediaType(GatewayError):
    status = 415
    type = "invalid_request_error"
    default_code = "unsupported_media_type"


class UnprocessableContent(GatewayError):
    status = 422
    type = "invalid_request_error"
    default_code = "idempotency_key_reused"


class RateLimited(GatewayError):
    status = 429
    type = "rate_limit_error"
    default_code = "rate_limit_exceeded"


class InternalError(GatewayError):
    """A defect of ours. The caller learns only which log line to look for."""

    def __init__(self) -> None:
        super().__init__("The gateway failed. The header x-correlation-id names the log line for an operator.")


class ClientGone(GatewayError):
    """Nobody waits for the answer any more. (499 is nginx's status for this; only the log shows it.)"""

    status = 499
    type = "invalid_request_error"
    default_code = "client_closed_request"

    def __init__(self) -> None:
        super().__init__("The client has closed the connection.")


class StoreUnavailable(GatewayError):
    status = 503
    default_code = "store_unavailable"


class UpstreamError(GatewayError):
    """A provider's fault.

    `provider` names it. `sent` tells whether the request may have reached the provider (and so may be billed).
    `failure` tells whether the circuit breaker counts it; it does not count overload and refusals of our request.
    `upstream_status` is the provider's HTTP status if a whole answer came, else None. `reason` is a short fixed word
    for logs. `usage` is the domain's Usage that came with an unusable answer, `tier` the service tier that the answer
    names. `told_kind` and `told` are the provider's own error type and message, fit to be shown; they are empty if the
    client must not see them.
    """

    status = 502
    default_code = "upstream_error"
    failure: ClassVar[bool] = True

    def __init__(
        self,
        message: str,
        *,
        provider: str,
        sent: bool = True,
        upstream_status: int | None = None,
        reason: str = "error",
        usage: object = None,
        tier: str | None = None,
        code: str | None = None,
        param: str | None = None,
        retry_after: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message, code=code, param=param, retry_after=retry_after, headers=headers)
        self.provider = provider
        self.sent = sent
        self.upstream_status = upstream_status
        self.reason = reason
        self.told_kind = self.told = ""
        self.usage = usage
        self.tier = tier


class UpstreamCredentials(UpstreamError):
    """`of_credential`: the credential itself was refused, so that another one may be accepted. It is false if the
    account may not use the model, the region or the country."""

    default_code = "upstream_credentials"
    failure = False
    of_credential = True


class UpstreamRejected(UpstreamError):
    status = 400
    type = "invalid_request_error"
    default_code = "upstream_rejected"
    failure = False


class UpstreamThrottled(UpstreamError):
    status = 429
    type = "rate_limit_error"
    default_code = "upstream_throttled"
    failure = False


class UpstreamUnavailable(UpstreamError):
    status = 503
    default_code = "upstream_unavailable"


class UpstreamTimeout(UpstreamError):
    status = 504
    default_code = "upstream_timeout"


class StoreError(Exception):
    """An error that a store raises to a service; `operation` is DynamoDB's name of the call."""

    def __init__(self, operation: str, message: str) -> None:
        super().__init__(f"{operation}: {message}")
        self.operation = operation


class ConditionFailed(StoreError):
    """The condition was false. `item` is the stored item in plain Python values, None if it did not exist."""

    def __init__(self, operation: str, item: dict[str, Any] | None = None) -> None:
        super().__init__(operation, "condition not met")
        self.item = item


class TransactionCanceled(StoreError):
    """`reasons` has one code per operation, in order: "None", "ConditionalCheckFailed", "TransactionConflict", ..."""

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__("TransactWriteItems", ", ".join(reasons))
        self.reasons = tuple(reasons)


class StoreRejected(StoreError):
    """DynamoDB refused the request itself (`code`, for example ValidationException)."""

    def __init__(self, operation: str, code: str, message: str) -> None:
        super().__init__(operation, f"{code}: {message}")
        self.code = code
