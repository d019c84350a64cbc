"""Amazon Bedrock's runtime, over our own signed transport: no boto3, no botocore.

Which model has which endpoint (Converse, InvokeModel, OpenAI's) is data (`gateway.models.vendors`).
API: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_Operations_Amazon_Bedrock_Runtime.html
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import Any, Final

from gateway.aws.sigv4 import Credentials, Signers
from gateway.models.vendors import Endpoint, Vendor
from gateway.transport import NotSent
from gateway.vendors import Connection
from gateway.vendors.adapter import JSON_HEADERS, Adapter
from gateway.vendors.base import ModelCall, Prepared
from gateway.vendors.failures import unanswered

_SENT: Final = tuple(JSON_HEADERS.items())
_METADATA_VALUE = re.compile(r"[a-zA-Z0-9 :_@$#=/+,.-]{1,256}")


class BedrockProvider(Adapter):
    """See `gateway.vendors.base.Provider`."""

    def __init__(self, vendor: Vendor, connection: Connection) -> None:
        if connection.credentials is None or not connection.region:
            raise ValueError("bedrock needs a region and credentials")
        super().__init__(vendor, connection)
        self.region, self._credentials = connection.region, connection.credentials
        self._signers = Signers(self._connections.host, connection.region)

    def credential(self) -> Credentials | str:
        return self._credentials()

    def headers(self, held: Credentials | str, target: str, prepared: Prepared) -> Mapping[str, str] | bytes:
        endpoint, told = prepared.endpoint, ""
        if endpoint.metadata_header and (metadata := self.metadata(prepared.call)):
            told = json.dumps(metadata, separators=(",", ":"))
        if isinstance(held, str):
            noted = {endpoint.metadata_header: told} if told else {}
            return {**JSON_HEADERS, **noted, "authorization": f"Bearer {held}"}
        signed = target, _SENT, endpoint.signing_name, endpoint.metadata_header if told else ""
        signer = self._signers.made.get(signed)
        if signer is None or signer.credentials is not held:
            signer = self._signers.make(signed, held)
        try:
            return signer.request(prepared.body, value=told)
        except ValueError:
            error = NotSent("the request is no HTTP")
        raise unanswered(self.name, error)  # outside the handler: what it caught may quote the token

    def asking(self, body: dict[str, Any], endpoint: Endpoint) -> dict[str, Any]:
        if endpoint.dialect == "converse":
            return {"input": {"converse": body}}
        text = json.dumps(body, separators=(",", ":")).encode("ascii")
        return {"input": {"invokeModel": {"body": base64.b64encode(text).decode("ascii")}}}

    def metadata(self, call: ModelCall) -> Mapping[str, str]:
        """The metadata for Bedrock's invocation log."""
        known = {"correlation-id": call.correlation_id, **call.metadata}
        return {name: value for name, value in known.items() if _METADATA_VALUE.fullmatch(value)}
