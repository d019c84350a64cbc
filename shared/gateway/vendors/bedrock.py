"""Amazon Bedrock's runtime, over our own signed transport: no boto3, no botocore.

Which model has which endpoint (Converse, InvokeModel, OpenAI's) is data (`gateway.models.vendors`).
API: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_Operations_Amazon_Bedrock_Runtime.html
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import Any

from gateway.aws.sigv4 import Credentials, sign
from gateway.models.vendors import Endpoint, Vendor
from gateway.vendors import Connection
from gateway.vendors.adapter import JSON_HEADERS, Adapter
from gateway.vendors.base import ModelCall, Prepared

_METADATA_VALUE = re.compile(r"[a-zA-Z0-9 :_@$#=/+,.-]{1,256}")


class BedrockProvider(Adapter):
    """See `gateway.vendors.base.Provider`."""

    def __init__(self, vendor: Vendor, connection: Connection) -> None:
        if connection.credentials is None or not connection.region:
            raise ValueError("bedrock needs a region and credentials")
        super().__init__(vendor, connection)
        self.region, self._credentials = connection.region, connection.credentials

    def credential(self) -> Credentials | str:
        return self._credentials()

    def headers(self, held: Credentials | str, target: str, prepared: Prepared) -> Mapping[str, str]:
        endpoint, headers = prepared.endpoint, dict(JSON_HEADERS)
        metadata = self.metadata(prepared.call) if endpoint.metadata_header else {}
        if metadata:
            headers[endpoint.metadata_header] = json.dumps(metadata, separators=(",", ":"))
        if isinstance(held, str):
            return {**headers, "authorization": f"Bearer {held}"}
        return sign(
            host=self._connections.host,
            path=target,
            headers=headers,
            body=prepared.body,
            credentials=held,
            region=self.region,
            service=endpoint.signing_name,
        )

    def asking(self, body: dict[str, Any], endpoint: Endpoint) -> dict[str, Any]:
        if endpoint.dialect == "converse":
            return {"input": {"converse": body}}
        text = json.dumps(body, separators=(",", ":")).encode("ascii")
        return {"input": {"invokeModel": {"body": base64.b64encode(text).decode("ascii")}}}

    def metadata(self, call: ModelCall) -> Mapping[str, str]:
        """The metadata for Bedrock's invocation log."""
        known = {"correlation-id": call.correlation_id, **call.metadata}
        return {name: value for name, value in known.items() if _METADATA_VALUE.fullmatch(value)}
