"""Providers' credentials out of secrets. One that can't be had makes its provider unavailable, nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from gateway import observability
from gateway.aws.secrets import SecretUnavailable
from gateway.aws.sigv4 import Credentials
from gateway.errors import UpstreamUnavailable


class Secrets(Protocol):
    def get(self, secret_id: str) -> str: ...
    def reread(self, secret_id: str, seconds: float) -> None: ...


@dataclass(frozen=True, slots=True)
class ProviderCredentials:
    """Raises UpstreamUnavailable (not sent, nothing is charged) where a secret can't be had."""

    secrets: Callable[[], Secrets]

    def api_key(self, provider: str, secret_id: str) -> str:
        """The secret's text as a key."""
        try:
            return self.secrets().get(secret_id)
        except SecretUnavailable as error:
            raise _unavailable(provider, error) from None

    def aws(self, provider: str, secret_id: str) -> Credentials:
        """The secret as AWS credentials: JSON with access_key_id, secret_access_key and perhaps session_token."""
        text = self.api_key(provider, secret_id)
        try:
            parts = json.loads(text)
            return Credentials(parts["access_key_id"], parts["secret_access_key"], parts.get("session_token"))
        except (ValueError, KeyError, TypeError):
            raise _unavailable(provider, SecretUnavailable(f"{secret_id} holds no AWS credentials")) from None

    def reread(self, secret_id: str, seconds: float) -> None:
        """Read a secret anew that the provider refused, within so many seconds."""
        self.secrets().reread(secret_id, seconds)

    def own(self, provider: str, source: Callable[[], Credentials]) -> Credentials:
        """The function's own AWS credentials."""
        try:
            return source()
        except Exception as error:  # noqa: BLE001  botocore's, behind its door: nothing has left, whatever it was
            raise _unavailable(provider, error) from None


def _unavailable(provider: str, error: Exception) -> UpstreamUnavailable:
    observability.log.error("provider credentials can't be read", extra={"provider": provider, "reason": str(error)})
    return UpstreamUnavailable(
        f"The provider {provider} can't be called now.",
        provider=provider,
        sent=False,
        reason="credentials",
        retry_after=30,
    )
