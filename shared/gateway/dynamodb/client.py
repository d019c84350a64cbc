"""DynamoDB through one method, `call(operation, request)`: the transport can be replaced, and a fake takes forty lines.

Source of the wire format: the DynamoDB low-level API (JSON 1.0 over POST, with the operation in `x-amz-target`).
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Protocol

from orjson import dumps, loads

from gateway import observability
from gateway.aws.http import HttpError, HttpReply
from gateway.dynamodb.attributes import from_item, to_item
from gateway.errors import ConditionFailed, StoreRejected, StoreUnavailable, TransactionCanceled
from gateway.json_text import to_bytes

# DynamoDB's answers to a wrong request. Any other error (throttled, no rights, a disabled KMS key, an expired token, no
# table) means that the store is unavailable, whatever the status: it must not look as if the caller were refused.
_REJECTED = {
    "IdempotentParameterMismatchException",
    "ItemCollectionSizeLimitExceededException",
    "SerializationException",
    "UnknownOperationException",
    "ValidationException",
}
_EMPTY = (b"{}", b"")  # what most writes are answered
_BACKOFF_SECONDS = 0.05
_CONFLICTS, _LONGEST_BACKOFF = 10, 0.4  # of one request with transactions: about a second of waiting in total
_KEYS_A_READ = 100  # DynamoDB's limit for BatchGetItem
_ROUNDS = 10  # of requests for unprocessed keys


class Database(Protocol):
    """The interface through which stores call DynamoDB."""

    def call(self, operation: str, request: Mapping[str, Any], *, attempts: int = 1) -> dict[str, Any]: ...


def pages(
    database: Database, request: Mapping[str, Any], operation: str = "Query", *, attempts: int = 2
) -> Iterator[dict[str, Any]]:
    """The items of a Query or Scan, page after page, as plain Python values. Raises StoreUnavailable."""
    start: dict[str, Any] = {}
    while True:
        reply = database.call(operation, {**request, **start}, attempts=attempts)
        yield from (from_item(item) for item in reply["Items"])
        if "LastEvaluatedKey" not in reply:
            return
        start = {"ExclusiveStartKey": reply["LastEvaluatedKey"]}


def read_all(
    database: Database, table: str, keys: Sequence[Mapping[str, Any]], *, consistent: bool
) -> Iterator[dict[str, Any]]:
    """The items with these keys (plain values), in no order; missing items are left out. Raises StoreUnavailable."""
    for start in range(0, len(keys), _KEYS_A_READ):
        wanted: Any = {table: {"Keys": [to_item(key) for key in keys[start : start + _KEYS_A_READ]]}}
        if consistent:
            wanted[table]["ConsistentRead"] = True
        for _round in range(_ROUNDS):
            reply = database.call("BatchGetItem", {"RequestItems": wanted}, attempts=2)
            yield from (from_item(item) for item in reply["Responses"].get(table, []))
            wanted = reply.get("UnprocessedKeys")
            if not wanted:
                break
        else:
            raise StoreUnavailable("A data store does not answer; try again.", retry_after=1)


class Http(Protocol):
    """What `DynamoDB` sends its requests with: AwsHttp or a fake."""

    def post(self, path: str, body: bytes, headers: Mapping[str, str], timeout: float) -> HttpReply: ...


class DynamoDB:
    """The real database, over signed HTTP.

    `attempts` stays 1 for a counter: a retry after a lost reply would count twice. Operations that are safe to repeat
    (reads, writes of fixed values under a condition) may have more. A write that conflicts with a running transaction
    on its item was certainly not applied, and is always repeated.
    """

    def __init__(self, http: Http, *, timeout: float = 2.0) -> None:
        self._http = http
        self._timeout = timeout

    def call(self, operation: str, request: Mapping[str, Any], *, attempts: int = 1) -> dict[str, Any]:
        """The reply as DynamoDB gives it.

        Raises ConditionFailed, TransactionCanceled, StoreRejected (our defect), StoreUnavailable (throttled,
        unreachable, no answer in time, no right to it).
        """
        try:
            body = dumps(request)
        except TypeError:  # it has half of a surrogate pair
            body = to_bytes(request)
        headers = _headers(operation)
        while True:
            try:
                try:
                    return _result(operation, self._http.post("/", body, headers, self._timeout))
                except _InTheWay:
                    return self._again(operation, body, headers)
            except (HttpError, _Transient) as error:
                attempts -= 1
                if attempts <= 0:
                    observability.log.warning("a data store can't be had", extra={"reason": str(error)})
                    raise StoreUnavailable("A data store does not answer; try again.", retry_after=1) from error
                time.sleep(random.uniform(0, _BACKOFF_SECONDS))  # noqa: S311  jitter, not a secret

    def _again(self, operation: str, body: bytes, headers: Mapping[str, str]) -> dict[str, Any]:
        """The result of a request that met a transaction, once no transaction is in its way."""
        for number in range(_CONFLICTS - 1):
            most = min(_BACKOFF_SECONDS / 2 * 2**number, _LONGEST_BACKOFF)
            time.sleep(random.uniform(0, most))  # noqa: S311  jitter, not a secret
            try:
                return _result(operation, self._http.post("/", body, headers, self._timeout))
            except _InTheWay:
                continue
        raise _Transient(f"{operation}: transactions are in the way")


@lru_cache(maxsize=16)
def _headers(operation: str) -> Mapping[str, str]:
    return {"content-type": "application/x-amz-json-1.0", "x-amz-target": f"DynamoDB_20120810.{operation}"}


def _read(operation: str, reply: HttpReply) -> dict[str, Any]:
    """An answer that orjson can't read: it takes no half of a surrogate pair, which a store may have kept."""
    try:
        answer: dict[str, Any] = json.loads(reply.body.decode())
    except ValueError as error:
        raise _Transient(f"{operation}: no JSON in answer {reply.status}") from error
    return answer


class _InTheWay(Exception):
    """A transaction was running on the item of a single write, so nothing was applied."""


class _Transient(Exception):
    """No answer, or one that does not say what became of the request: it was not applied, or that is unknown."""


def _result(operation: str, reply: HttpReply) -> dict[str, Any]:
    status, body = reply.status, reply.body
    try:
        # Its numbers are text, so none is too large for orjson.
        answer: dict[str, Any] = {} if body in _EMPTY else loads(body)
    except ValueError:
        answer = _read(operation, reply)
    if status == 200:
        return answer
    code = str(answer.get("__type", "")).rpartition("#")[2]
    if code == "ConditionalCheckFailedException":
        item = answer.get("Item")
        raise ConditionFailed(operation, from_item(item) if item else None)
    if code == "TransactionCanceledException":
        raise TransactionCanceled([reason.get("Code", "None") for reason in answer.get("CancellationReasons", [])])
    if code == "TransactionConflictException":
        raise _InTheWay
    if code not in _REJECTED:
        raise _Transient(f"{operation}: {code or status}")
    raise StoreRejected(operation, code, str(answer.get("message") or answer.get("Message") or ""))
