"""Provider credentials from Secrets Manager: read on first use, kept five minutes, used for an hour if it is down."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.aws.http import AwsHttp, HttpError

_FRESH_SECONDS = 300.0
_REREAD_SECONDS = 10.0  # a secret is reread at most once in this time, however many calls its provider refuses
_READ_SECONDS = 3.0
_STALE_SECONDS = 3_600.0


class SecretUnavailable(Exception):
    """No value is available: not set, not allowed, or Secrets Manager has been down for more than an hour."""


@dataclass(slots=True)
class _Kept:
    value: str = field(repr=False)
    read: float


@dataclass(slots=True)
class SecretStore:
    """`clock` gives seconds of a steady clock."""

    http: AwsHttp
    clock: Callable[[], float] = time.monotonic
    _kept: dict[str, _Kept] = field(default_factory=dict, repr=False)
    _reread: dict[str, float] = field(default_factory=dict, repr=False)
    _rereading: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def get(self, secret_id: str) -> str:
        """The current value as text. Raises SecretUnavailable, which never quotes the value or the service's answer."""
        now = self.clock()
        kept = self._kept.get(secret_id)
        if kept and now - kept.read < _FRESH_SECONDS:
            return kept.value
        try:
            value = self._read(secret_id, _READ_SECONDS)
        except SecretUnavailable:
            if kept and now - kept.read < _STALE_SECONDS:
                return kept.value
            raise
        self._kept[secret_id] = _Kept(value, now)
        return value

    def reread(self, secret_id: str, seconds: float) -> None:
        """Read the secret again, within `seconds`, because the provider refused its value. If it was reread a moment
        ago, or can't be read, the kept value stays. Never raises SecretUnavailable."""
        seconds = min(seconds, _READ_SECONDS)
        if not self._rereading.acquire(timeout=seconds):
            return
        try:
            now = self.clock()
            last = self._reread.get(secret_id)
            if last is None or now - last >= _REREAD_SECONDS:
                self._reread[secret_id] = now
                self._kept[secret_id] = _Kept(self._read(secret_id, seconds), now)
        except SecretUnavailable:
            return
        finally:
            self._rereading.release()

    def _read(self, secret_id: str, seconds: float) -> str:
        headers = {"content-type": "application/x-amz-json-1.1", "x-amz-target": "secretsmanager.GetSecretValue"}
        try:
            reply = self.http.post("/", json.dumps({"SecretId": secret_id}).encode(), headers, timeout=seconds)
            if reply.status != 200:
                raise SecretUnavailable(f"Secrets Manager answered {reply.status} for {secret_id}")
            value = json.loads(reply.body).get("SecretString")
        except (HttpError, ValueError) as error:
            raise SecretUnavailable(f"Secrets Manager gave no answer for {secret_id}: {type(error).__name__}") from None
        if not isinstance(value, str) or not value.strip():
            raise SecretUnavailable(f"the secret {secret_id} has no text value")
        return value.strip()
