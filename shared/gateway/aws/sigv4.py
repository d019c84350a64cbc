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
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from gateway.http1 import request_bytes

_DATE: Final = "x-amz-date"
_UNSIGNED: Final = "0" * 64
_BLOCK: Final = 64  # bytes that SHA-256 reads at a time
Header = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Credentials:
    """An AWS identity; the secret parts stay out of `repr`."""

    access_key: str
    secret_key: str = field(repr=False)
    token: str | None = field(default=None, repr=False)


class _Second(NamedTuple):
    """The parts that all signatures of one second share: hashes that have read everything up to the next part. `inner`
    and `outer` are the two hashes of HMAC (RFC 2104); `told` is the authorization up to the signature."""

    second: int
    stamp: str
    canonical: Any
    inner: Any
    outer: Any
    told: str


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
        self._path, self._host = path, host
        self._secret, self._access = credentials.secret_key, credentials.access_key
        self._region, self._service = region, service
        names = sorted((*fixed, _DATE))
        self._names, dated = ";".join(names), names.index(_DATE)
        lines = [f"{name}:{' '.join(fixed.get(name, '').split())}\n" for name in names]
        # The canonical request up to the date's value, and from there to the body's digest. The path is encoded a
        # second time, as every service except S3 requires.
        self._before = f"POST\n{quote(path, safe='/-_.~')}\n\n{''.join(lines[:dated])}{_DATE}:"
        self._after = f"\n{''.join(lines[dated + 1 :])}\n{self._names}\n"
        self._last: _Second | None = None
        self._parts: tuple[_Second, bytes, bytes] | None = None

    def changing(self, body: bytes, now: float | None = None) -> dict[str, str]:
        """The headers that change with the body and with each second: `x-amz-date`, `authorization`."""
        of = self._of(int(time.time() if now is None else now))
        return {_DATE: of.stamp, "authorization": of.told + _signature(of, body)}

    def request(self, body: bytes, now: float | None = None) -> bytes:
        """The bytes of a signed request. Raises ValueError as `request_bytes` does."""
        second = int(time.time() if now is None else now)
        of, parts = self._last, self._parts
        if of is None or of.second != second:
            of = self._of(second)
        if parts is None or parts[0] is not of:
            # The signature is the last header, and the length comes after it: both are written in later.
            headers = {_DATE: of.stamp, "authorization": f"{of.told}{_UNSIGNED}"}
            empty = request_bytes("POST", self._path, self._host, headers, b"", self.fixed)
            before, _, after = empty.rpartition(_UNSIGNED.encode())
            parts = self._parts = of, before, after.removesuffix(b"0\r\n\r\n")
        return b"%b%b%b%d\r\n\r\n%b" % (parts[1], _signature(of, body).encode(), parts[2], len(body), body)

    def _of(self, second: int) -> _Second:
        last = self._last
        if last is None or last.second != second:
            last = self._last = self._made(second)
        return last

    def _made(self, second: int) -> _Second:
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))
        scope, inner, outer = _scope(self._secret, stamp[:8], self._region, self._service)
        inner = inner.copy()
        inner.update(f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n".encode())
        told = f"AWS4-HMAC-SHA256 Credential={self._access}/{scope}, SignedHeaders={self._names}, Signature="
        return _Second(second, stamp, sha256(f"{self._before}{stamp}{self._after}".encode()), inner, outer, told)


def _signature(of: _Second, body: bytes) -> str:
    """Copies of hashes that have read most of their text cost a third of new hashes and of a call of `hmac`."""
    canonical, inner, outer = of.canonical.copy(), of.inner.copy(), of.outer.copy()
    canonical.update(sha256(body).hexdigest().encode())
    inner.update(canonical.hexdigest().encode())
    outer.update(inner.digest())
    return str(outer.hexdigest())


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


@lru_cache(maxsize=8)
def _scope(secret: str, day: str, region: str, service: str) -> tuple[str, Any, Any]:
    """The credential scope (where and when a signature is valid), and the signing key in the hashes of HMAC."""
    key = f"AWS4{secret}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    padded = key.ljust(_BLOCK, b"\0")
    inner, outer = (sha256(bytes(byte ^ pad for byte in padded)) for pad in (0x36, 0x5C))
    return f"{day}/{region}/{service}/aws4_request", inner, outer
