"""Amazon Bedrock by Converse, over our own signed transport: no boto3, no botocore.

API: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from gateway.aws.sigv4 import Credentials, sign
from gateway.dialects.converse.answer import completion_of
from gateway.dialects.converse.request import converse_request
from gateway.dialects.converse.usage import usage_of
from gateway.dialects.unsupported import Unsupported
from gateway.dialects.values import json_object
from gateway.errors import UpstreamError
from gateway.models.usage import Usage
from gateway.models.vendors import Vendor
from gateway.transport import Connections, HttpReply
from gateway.vendors import Connection
from gateway.vendors.answers import Posted, answer_of, answered, posted
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

    def __init__(self, vendor: Vendor, connection: Connection) -> None:
        if connection.credentials is None or not connection.region:
            raise ValueError("bedrock needs a region and credentials")
        self.name, self.region = vendor.name, connection.region
        self._credentials, self._reread = connection.credentials, connection.reread
        self._connections = Connections(connection.endpoint, connection.destinations.resolver(connection.endpoint))
        self._path = self._connections.prefix + vendor.dialects["converse"]

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
        target = self._path.replace("{model}", quote(model, safe=""))

        def post(credentials: Credentials, seconds: float) -> Posted:
            headers = self._signed(target, prepared.body, credentials)
            return posted(self.name, self._connections, target, prepared.body, headers, seconds)

        def failure(reply: HttpReply) -> UpstreamError:
            return status_failure(self.name, reply)

        reply, measured = answered(self._credentials, self._reread, prepared.call.timeout, post, failure)
        request_id = reply.headers.get("x-amzn-requestid", "")

        def completion(answer: Mapping[str, Any], usage: Usage | None) -> dict[str, Any] | None:
            return completion_of(answer, usage, model=model, request_id=request_id, now=time.time())

        yield answer_of(self.name, reply.body, measured=measured, usage_of=usage_of, completion_of=completion)

    def _signed(self, target: str, body: bytes, credentials: Credentials) -> dict[str, str]:
        return sign(
            host=self._connections.host,
            path=target,
            headers={"content-type": "application/json", "accept": "application/json"},
            body=body,
            credentials=credentials,
            region=self.region,
            service="bedrock",
        )


def status_failure(provider: str, reply: HttpReply) -> UpstreamError:
    """The error of a status that is no success; the type stands in a header, or in the body's `__type`."""
    named = reply.headers.get("x-amzn-errortype") or (json_object(reply.body) or {}).get("__type") or ""
    kind = word(str(named).split(":")[0].rpartition("#")[2])
    status = _STATUS_BY_TYPE.get(kind or "", reply.status)
    failure = refused(provider, status, reply.headers, code=kind)
    failure.upstream_status = reply.status
    return failure
