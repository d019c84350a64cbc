"""Amazon Bedrock by Converse, over our own signed transport: no boto3, no botocore.

API: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from gateway.aws.sigv4 import Credentials, sign
from gateway.dialects.chat.request import read_request
from gateway.dialects.chat.stream import completion
from gateway.dialects.converse.answer import read_answer
from gateway.dialects.converse.paths import chat_path
from gateway.dialects.converse.request import Written, write_request
from gateway.dialects.converse.usage import usage_of
from gateway.dialects.unsupported import Unsupported, named
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

_REQUEST_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
_METADATA_VALUE = re.compile(r"[a-zA-Z0-9 :_@$#=/+,.-]{1,256}")
# Models that take Anthropic's `tool_choice` among their own fields. Those before Claude 4 refuse it.
_ONE_TOOL = re.compile(r"(^|[./])anthropic\.claude-(?!3|v\d|instant)")


class BedrockProvider:
    """See `gateway.vendors.base.Provider`."""

    def __init__(self, vendor: Vendor, connection: Connection) -> None:
        if connection.credentials is None or not connection.region:
            raise ValueError("bedrock needs a region and credentials")
        self.name, self.region = vendor.name, connection.region
        self._credentials, self._another = connection.credentials, connection.another
        self._connections = Connections(connection.endpoint, connection.destinations.resolver(connection.endpoint))
        self._path = self._connections.prefix + vendor.endpoints["converse"].path

    def prepare(self, call: ChatCall) -> Prepared:
        """Raises BadRequest or UpstreamRejected for what Converse can't say."""
        try:
            written = _written(call)
        except Unsupported as reason:
            raise rejected_here(self.name, str(reason), reason.param) from None
        body = json.dumps(written.body, separators=(",", ":"), allow_nan=False).encode("ascii")
        return Prepared(call, body, named(written.dropped), written.names)

    def send(self, prepared: Prepared) -> Iterator[Event]:
        """One attempt. Raises UpstreamErrors, and what the connection's `credentials` raise."""
        model = prepared.call.model
        target = self._path.replace("{model}", quote(model, safe=""))

        def post(credentials: Credentials | str, seconds: float) -> Posted:
            headers = self._signed(target, prepared.body, credentials)
            return posted(self.name, self._connections, target, prepared.body, headers, seconds)

        def failure(reply: HttpReply) -> UpstreamError:
            return status_failure(self.name, reply, prepared.call)

        reply, measured = answered(self._credentials, self._another, prepared.call.timeout, post, failure)
        request_id = reply.headers.get("x-amzn-requestid", "")
        known = request_id if _REQUEST_ID.fullmatch(request_id) else uuid.uuid4()
        frame = {"id": f"chatcmpl-{known}", "created": int(time.time()), "model": model}

        def completed(answer: Mapping[str, Any], _usage: Usage | None) -> dict[str, Any] | None:
            deltas = read_answer(answer, prepared.names)
            return None if deltas is None else completion(deltas, frame)

        yield answer_of(self.name, reply.body, measured=measured, usage_of=usage_of, completion_of=completed)

    def _signed(self, target: str, body: bytes, credentials: Credentials | str) -> dict[str, str]:
        headers = {"content-type": "application/json", "accept": "application/json"}
        if isinstance(credentials, str):
            return headers | {"authorization": f"Bearer {credentials}"}
        return sign(
            host=self._connections.host,
            path=target,
            headers=headers,
            body=body,
            credentials=credentials,
            region=self.region,
            service="bedrock",
        )


def _written(call: ChatCall) -> Written:
    request, dropped = read_request(call.body, cap=call.max_output_tokens)
    # Stands in Bedrock's invocation log.
    fits = _METADATA_VALUE.fullmatch(call.correlation_id)
    metadata = {"correlation-id": call.correlation_id} if fits else {}
    return write_request(request, dropped, metadata=metadata, one_tool=bool(_ONE_TOOL.search(call.model)))


def status_failure(provider: str, reply: HttpReply, call: ChatCall) -> UpstreamError:
    """The error of a status that is no success; the type stands in a header, or in the body's `__type`. What it says of
    a field is told by the field's path in the client's own request."""
    fault = json_object(reply.body) or {}
    named = reply.headers.get("x-amzn-errortype") or fault.get("__type") or ""
    kind = word(str(named).split(":")[0].rpartition("#")[2])
    status = _STATUS_BY_TYPE.get(kind or "", reply.status)
    message = fault.get("message", fault.get("Message"))
    param = chat_path(message, _written(call)) if status == 400 and isinstance(message, str) else None
    failure = refused(provider, status, reply.headers, code=kind, param=param, message=message)
    failure.upstream_status = reply.status
    return failure
