"""Amazon Bedrock by Converse, over our own signed transport: no boto3, no botocore.

API: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from urllib.parse import quote

from gateway.aws.sigv4 import sign
from gateway.errors import UpstreamError
from gateway.providers import Connection
from gateway.providers.answers import json_object
from gateway.providers.base import Answer, ChatCall, Event
from gateway.providers.bedrock_answer import completion_of
from gateway.providers.bedrock_request import converse_request
from gateway.providers.bedrock_usage import usage_of
from gateway.providers.failures import refused, unanswered, unusable, word
from gateway.transport import Connections, HttpError, HttpReply

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
    """See `gateway.providers.base.Provider`."""

    name = "bedrock"

    def __init__(self, connection: Connection) -> None:
        if connection.credentials is None or not connection.region:
            raise ValueError("bedrock needs a region and credentials")
        self._region, self._credentials = connection.region, connection.credentials
        self._connections = Connections(connection.endpoint)

    def chat(self, call: ChatCall) -> Iterator[Event]:
        """One attempt. Raises UpstreamErrors, and what the connection's `credentials` raise."""
        request = json.dumps(converse_request(call), separators=(",", ":")).encode()
        reply = self._post(call, f"/model/{quote(call.model, safe='')}/converse", request)
        if reply.status != 200:
            raise status_failure(self.name, reply)
        answer = json_object(reply.body)
        if answer is None:
            raise unusable(self.name, "malformed")
        usage = usage_of(answer.get("usage"))
        body = completion_of(
            answer, usage, model=call.model, request_id=reply.headers.get("x-amzn-requestid", ""), now=time.time()
        )
        if body is None:
            raise unusable(self.name, "schema")
        yield Answer(body=body, usage=usage)

    def _post(self, call: ChatCall, path: str, body: bytes) -> HttpReply:
        target = self._connections.prefix + path
        signed = sign(
            host=self._connections.host,
            path=target,
            headers={"content-type": "application/json", "accept": "application/json"},
            body=body,
            credentials=self._credentials(),
            region=self._region,
            service="bedrock",
        )
        try:
            return self._connections.request("POST", target, body, signed, call.timeout)
        except HttpError as error:
            failure = unanswered(self.name, error)
        raise failure


def status_failure(provider: str, reply: HttpReply) -> UpstreamError:
    """The error of a status that is no success; the type stands in a header, or in the body's `__type`."""
    named = reply.headers.get("x-amzn-errortype") or (json_object(reply.body) or {}).get("__type") or ""
    kind = word(str(named).split(":")[0].rpartition("#")[2])
    status = _STATUS_BY_TYPE.get(kind or "", reply.status)
    failure = refused(provider, status, reply.headers, code=kind)
    failure.upstream_status = reply.status
    return failure
