"""The registry: the one place that knows which vendors there are. A vendor is imported when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.aws.sigv4 import Credentials
    from gateway.vendors.base import Provider


@dataclass(frozen=True, slots=True)
class Connection:
    """Where a provider is, and how we prove who we are there.

    `endpoint` is a base URL (OpenAI's ends in `/v1`). The two callables are asked at every call, so that a rotated
    secret takes effect; what they raise is raised to the caller of `send`. `pass_fields` are the request fields, beyond
    OpenAI's own, that a host which is not OpenAI gets.
    """

    endpoint: str
    api_key: Callable[[], str] | None = None
    region: str = ""
    credentials: Callable[[], Credentials] | None = None
    pass_fields: tuple[str, ...] = ()


def connect(name: str, connection: Connection) -> Provider:
    """The provider `openai` or `bedrock`. Raises LookupError for any other name, ValueError for a bad connection."""
    if name == "openai":
        from gateway.vendors.openai import OpenAIProvider

        return OpenAIProvider(connection)
    if name == "bedrock":
        from gateway.vendors.bedrock import BedrockProvider

        return BedrockProvider(connection)
    raise LookupError(f"no such provider: {name}")
