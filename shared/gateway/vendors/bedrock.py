"""Amazon Bedrock by Converse, over our own signed transport: no boto3, no botocore.

API: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from gateway.aws.sigv4 import sign
from gateway.dialects.converse.answer import completion_of
from gateway.dialects.converse.request import converse_request
from gateway.dialects.converse.usage import usage_of
from gateway.dialects.unsupported import Unsupported
from gateway.dialects.values import json_object
from gateway.errors import UpstreamError
from gateway.ledger.charge import succeeded
from gateway.models.usage import Usage
from gateway.transport import Connections, HttpReply
from gateway.vendors import Connection
from gateway.vendors.answers import answer_of, posted
from gateway.vendors.base import ChatCall, Event, Prepared
from gateway.vendors.failures import refused, rejected_here, word

# What an error type means in HTTP; Bedrock's own status is not always telling (IAM's refusals come as 400).
_STATUS_BY_TYPE = {
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


class BedrockProvider:
    """See `gateway.vendors.base.Provider`."""

    name = "bedrock"

    def __init__(self, connection: Connection) -> None:
        if connection.credentials is None or not connection.region:
            raise ValueError("bedrock needs a region and credentials")
        self._region, self._credentials = connection.region, connection.credentials
        self._connections = Connections(connection.endpoint)

    def prepare(self, call: ChatCall) -> Prepared:
        """Raises BadRequest or UpstreamRejected for what Converse can't say."""
        try:
            body = converse_request(call.body, output_cap=call.max_output_tokens, correlation_id=call.correlation_id)
        except Unsupported as reason:
            raise rejected_here(self.name, str(reason), reason.param) from None
        return Prepared(call, json.dumps(body, separators=(",", ":"), allow_nan=False).encode("ascii"))

    def send(self, prepared: Prepared) -> Iterator[Event]:
        """One attempt. Raises UpstreamErrors, and what the connection's `credentials` raise."""
        model = prepared.call.model
        reply, measured = self._post(prepared, f"/model/{quote(model, safe='')}/converse")
        if not succeeded(reply.status):
            raise status_failure(self.name, reply)
        request_id = reply.headers.get("x-amzn-requestid", "")

        def completion(answer: Mapping[str, Any], usage: Usage | None) -> dict[str, Any] | None:
            return completion_of(answer, usage, model=model, request_id=request_id, now=time.time())

        yield answer_of(self.name, reply.body, measured=measured, usage_of=usage_of, completion_of=completion)

    def _post(self, prepared: Prepared, path: str) -> tuple[HttpReply, bool]:
        target = self._connections.prefix + path
        signed = sign(
            host=self._connections.host,
            path=target,
            headers={"content-type": "application/json", "accept": "application/json"},
            body=prepared.body,
            credentials=self._credentials(),
            region=self._region,
            service="bedrock",
        )
        return posted(self.name, self._connections, target, prepared.body, signed, prepared.call.timeout)


def status_failure(provider: str, reply: HttpReply) -> UpstreamError:
    """The error of a status that is no success; the type stands in a header, or in the body's `__type`."""
    named = reply.headers.get("x-amzn-errortype") or (json_object(reply.body) or {}).get("__type") or ""
    kind = word(str(named).split(":")[0].rpartition("#")[2])
    status = _STATUS_BY_TYPE.get(kind or "", reply.status)
    failure = refused(provider, status, reply.headers, code=kind)
    failure.upstream_status = reply.status
    return failure
