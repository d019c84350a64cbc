"""AWS Signature Version 4 for POST requests without a query string, which is all that our three services need.

Source: "Create a signed AWS API request", AWS General Reference. Tests compare every byte with botocore's signer.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import Final
from urllib.parse import quote

_DATE: Final = "x-amz-date"
Header = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Credentials:
    """An AWS identity; the secret parts stay out of `repr`."""

    access_key: str
    secret_key: str = field(repr=False)
    token: str | None = field(default=None, repr=False)


class Signer:
    """The part of a signature that is the same in each request to one path with the same headers. `fixed` are those
    headers as they are sent, with the ones that AWS requires."""

    def __init__(
        self, host: str, path: str, headers: tuple[Header, ...], credentials: Credentials, region: str, service: str
    ) -> None:
        fixed = {name.lower(): value for name, value in headers} | {"host": host}
        if credentials.token:
            fixed["x-amz-security-token"] = credentials.token
        self.fixed = tuple(fixed.items())
        self._secret, self._access = credentials.secret_key, credentials.access_key
        self._region, self._service = region, service
        names = sorted((*fixed, _DATE))
        self._names, dated = ";".join(names), names.index(_DATE)
        lines = [f"{name}:{' '.join(fixed.get(name, '').split())}\n" for name in names]
        # The canonical request up to the date's value, and from there to the body's digest. The path is encoded a
        # second time, as every service except S3 requires.
        self._before = f"POST\n{quote(path, safe='/-_.~')}\n\n{''.join(lines[:dated])}{_DATE}:"
        self._after = f"\n{''.join(lines[dated + 1 :])}\n{self._names}\n"

    def changing(self, body: bytes, now: float | None = None) -> dict[str, str]:
        """The headers that change with the body and with each second: `x-amz-date`, `authorization`."""
        stamp = _stamp(int(time.time() if now is None else now))
        digest = sha256(f"{self._before}{stamp}{self._after}{sha256(body).hexdigest()}".encode()).hexdigest()
        scope, key = _scope(self._secret, stamp[:8], self._region, self._service)
        signature = hmac.digest(key, f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}".encode(), "sha256").hex()
        told = f"Credential={self._access}/{scope}, SignedHeaders={self._names}, Signature={signature}"
        return {_DATE: stamp, "authorization": f"AWS4-HMAC-SHA256 {told}"}


# Made once for an operation, and again when the credentials change.
signer = lru_cache(maxsize=64)(Signer)


def sign(
    *,
    host: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes,
    credentials: Credentials,
    region: str,
    service: str,
    now: float | None = None,
) -> dict[str, str]:
    """The headers to send: the given ones plus `host`, `x-amz-date`, the session token and `authorization`.

    `path` is percent-encoded as it goes on the wire; `now` is in seconds since the epoch.
    """
    made = signer(host, path, tuple(headers.items()), credentials, region, service)
    return dict(made.fixed) | made.changing(body, now)


@lru_cache(maxsize=4)
def _stamp(second: int) -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))


@lru_cache(maxsize=8)
def _scope(secret: str, day: str, region: str, service: str) -> tuple[str, bytes]:
    """The credential scope (where and when a signature is valid), and the signing key."""
    key = f"AWS4{secret}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return f"{day}/{region}/{service}/aws4_request", key
