"""Reads providers' credentials from secrets. A secret that can't be read makes its provider unavailable and nothing
else.

A secret's text is one credential or, as a JSON list, several (`gateway.vendors.rotation` says which is used). A
credential is a plain key, or `{"api_key": "..."}`. For a provider that takes signed requests it may also be
`{"access_key_id": "...", "secret_access_key": "..."}`, optionally with `session_token`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from gateway import observability
from gateway.aws.secrets import SecretUnavailable
from gateway.aws.sigv4 import Credentials
from gateway.errors import UpstreamCredentials, UpstreamUnavailable

Held = str | Credentials
Kind = TypeVar("Kind", str, Held)


class Secrets(Protocol):
    def get(self, secret_id: str) -> str: ...
    def reread(self, secret_id: str, seconds: float) -> None: ...


@dataclass(frozen=True, slots=True)
class ProviderCredentials:
    """Raises UpstreamUnavailable (not sent, nothing is charged) if a secret can't be read or has no credential of the
    kind, and UpstreamCredentials (not sent either) if none of them may be in a header."""

    secrets: Callable[[], Secrets]
    _read: dict[tuple[str, str], tuple[Secrets, str, tuple[Any, ...]]] = field(default_factory=dict, repr=False)

    def reread(self, secret_id: str, seconds: float) -> None:
        """Read a secret again after the provider refused it, within so many seconds."""
        self.secrets().reread(secret_id, seconds)

    def own(self, provider: str, source: Callable[[], Credentials]) -> Credentials:
        """The function's own AWS credentials."""
        try:
            return source()
        except Exception as error:  # noqa: BLE001  botocore's: nothing has left, whatever the error was
            raise _unavailable(provider, error) from None

    def held(self, provider: str, secret_id: str, read: Callable[[str], tuple[Kind, ...]]) -> tuple[Kind, ...]:
        """What a secret holds, in order, as `read_keys` or `read_credentials` read it."""
        known = self._read.get((provider, secret_id))
        store = self.secrets() if known is None else known[0]
        try:
            text = store.get(secret_id)
        except SecretUnavailable as error:
            raise _unavailable(provider, error) from None
        if known is not None and known[1] == text:
            return known[2]
        try:
            said = read(text)
        except ValueError as reason:
            raise _unavailable(provider, SecretUnavailable(f"{secret_id} {reason}")) from None
        held = tuple(dict.fromkeys(each for each in said if usable(each)))
        if not held:
            message = f"The gateway's credential for {provider} is unusable."
            raise UpstreamCredentials(message, provider=provider, sent=False, reason="unusable_key")
        for number, each in enumerate(said, start=1):
            if not usable(each):
                facts = {"provider": provider, "credential": f"{number} of {len(said)}"}
                observability.log.error("a provider credential is unusable", extra=facts)
        self._read[provider, secret_id] = store, text, held
        return held


def read_keys(text: str) -> tuple[str, ...]:
    """A secret's keys. Raises ValueError, which quotes nothing of the secret."""
    held = tuple(_key(each) for each in _entries(text))
    if None in held:
        raise ValueError('must hold a key, or as JSON a list of keys, each as text or {"api_key": "..."}')
    return tuple(each for each in held if each is not None)


def read_credentials(text: str) -> tuple[Held, ...]:
    """A secret's AWS credentials and keys. Raises ValueError, which quotes nothing of the secret."""
    held = tuple(_aws(each) or _key(each) for each in _entries(text))
    if None in held:
        raise ValueError(
            'must hold AWS credentials, {"access_key_id": "...", "secret_access_key": "..."} and perhaps'
            ' "session_token", or a key; or as JSON a list of them'
        )
    return tuple(each for each in held if each is not None)


def usable(held: Held) -> bool:
    """Whether a credential may be in a header. If it may not, an HTTP library would quote it in its error."""
    if isinstance(held, str):
        return held != "" and held.isascii() and held.isprintable() and " " not in held
    return usable(held.access_key) and usable(held.secret_key) and (not held.token or usable(held.token))


def _entries(text: str) -> list[Any]:
    """The entries of a secret's list; if the text does not begin like JSON, the text itself. Raises ValueError."""
    try:
        said = json.loads(text) if text.startswith(("[", "{")) else text
    except (ValueError, RecursionError):  # sent as it is, it would reveal several keys, or signing credentials
        raise ValueError("begins like JSON but is not valid JSON") from None
    if said == []:
        raise ValueError("holds an empty list")
    return said if isinstance(said, list) else [said]


def _key(said: object) -> str | None:
    key = said.get("api_key") if isinstance(said, Mapping) and len(said) == 1 else said
    return key if isinstance(key, str) else None


def _aws(said: object) -> Credentials | None:
    if not isinstance(said, Mapping):
        return None
    access, secret, token = (said.get(name) for name in ("access_key_id", "secret_access_key", "session_token"))
    if not isinstance(access, str) or not isinstance(secret, str) or not isinstance(token, str | None):
        return None
    return Credentials(access, secret, token)


def _unavailable(provider: str, error: Exception) -> UpstreamUnavailable:
    observability.log.error("provider credentials can't be read", extra={"provider": provider, "reason": str(error)})
    return UpstreamUnavailable(
        f"The provider {provider} can't be called now: the gateway can't read its key. The log has the reason.",
        provider=provider,
        sent=False,
        reason="credentials",
        retry_after=30,
    )
