"""AWS Signature Version 4 for POST requests without a query string, which is all that our three services need.

Source: "Create a signed AWS API request", AWS General Reference. Tests compare every byte with botocore's signer.
"""

from __future__ import annotations

import hmac
import time
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final
from urllib.parse import quote

from msgspec import Struct

from gateway.http1 import request_bytes

_DATE: Final = "x-amz-date"
_UNSIGNED: Final = "0" * 64
_BLOCK: Final = 64  # bytes that SHA-256 reads at a time
_STAMP, _VALUE = "\0", "\1"  # in a template, for the date and for the varying value: no header has them
_MOST = 128  # signers kept for a host
Header = tuple[str, str]
Signed = tuple[str, tuple[Header, ...], str, str]  # path, headers, service, varying header


class Credentials(Struct, frozen=True):
    """An AWS identity; the secret parts stay out of `repr`."""

    access_key: str
    secret_key: str
    token: str | None = None

    def __repr__(self) -> str:
        return f"Credentials(access_key={self.access_key!r})"


class _Second(Struct, frozen=True):
    """What all requests of one second share. Hashes that have read everything up to the next part: `canonical` the
    canonical request up to the value of the varying header, or without one up to the body's digest; `inner` and
    `outer` are those of HMAC (RFC 2104). `beyond` is the text between the value and the digest. Of the request: the
    text before the signature; from there to the varying header's value, or without one to the body's length; and from
    the value to the length."""

    second: int
    canonical: Any
    beyond: str
    inner: Any
    outer: Any
    before: bytes
    middle: bytes
    after: bytes

    def __repr__(self) -> str:
        """Without the session token, which is among the signed headers."""
        return f"_Second({self.second})"


class Signer:
    """Requests to one path with the same headers. `varying` is the name of one more header, whose value comes with each
    request; empty for none. The parts that all requests share are checked, written and hashed once a second."""

    def __init__(
        self,
        host: str,
        path: str,
        headers: tuple[Header, ...],
        credentials: Credentials,
        region: str,
        service: str,
        varying: str = "",
    ) -> None:
        self.credentials = credentials
        fixed = {name.lower(): value for name, value in headers} | {"host": host}
        if credentials.token:
            fixed["x-amz-security-token"] = credentials.token
        self._fixed, self._varying = tuple(fixed.items()), varying
        self._path, self._host, self._region, self._service = path, host, region, service
        names = sorted((*fixed, _DATE, *([varying] if varying else ())))
        self._names = ";".join(names)
        lines = {name: f"{name}:{' '.join(value.split())}\n" for name, value in fixed.items()}
        lines |= {_DATE: f"{_DATE}:{_STAMP}\n", varying: f"{varying}:{_VALUE}\n"}
        # The path is encoded a second time, as every service except S3 requires.
        head = f"POST\n{quote(path, safe='/-_.~')}\n\n{''.join(lines[name] for name in names)}\n{self._names}\n"
        self._canonical, _, self._beyond = head.partition(_VALUE)
        self._last: _Second | None = None

    def request(self, body: bytes, now: float | None = None, value: str = "") -> bytes:
        """The bytes of a signed request; `value` is that of the varying header. Raises ValueError as `request_bytes`
        does. `now` is in seconds since the epoch."""
        second, of, told = int(time.time() if now is None else now), self._last, b""
        if of is None or of.second != second:
            of = self._last = self._of(second)
        # Copies of hashes that have read most of their text cost a third of new hashes and of a call of `hmac`.
        canonical, inner, outer = of.canonical.copy(), of.inner.copy(), of.outer.copy()
        digest = sha256(body).hexdigest()
        if of.beyond:
            if not value.isascii() or not value.isprintable():
                raise ValueError("a malformed header")
            told, digest = value.encode(), f"{' '.join(value.split())}{of.beyond}{digest}"
        canonical.update(digest.encode())
        inner.update(canonical.hexdigest().encode())
        outer.update(inner.digest())
        signature = outer.hexdigest().encode()
        return b"%b%b%b%b%b%d\r\n\r\n%b" % (of.before, signature, of.middle, told, of.after, len(body), body)

    def _of(self, second: int) -> _Second:
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))
        scope, inner, outer = _scope(self.credentials.secret_key, stamp[:8], self._region, self._service)
        inner = inner.copy()
        inner.update(f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n".encode())
        canonical = sha256(self._canonical.replace(_STAMP, stamp).encode())
        beyond = self._beyond.replace(_STAMP, stamp)
        # The signature and the varying value are the last headers before the length: all three are written in later.
        who = f"Credential={self.credentials.access_key}/{scope}, SignedHeaders={self._names}"
        headers = {_DATE: stamp, "authorization": f"AWS4-HMAC-SHA256 {who}, Signature={_UNSIGNED}"}
        headers |= {self._varying: _UNSIGNED} if self._varying else {}
        empty = request_bytes("POST", self._path, self._host, headers, b"", self._fixed).removesuffix(b"0\r\n\r\n")
        before, middle, *after = empty.rsplit(_UNSIGNED.encode(), len(headers) - 1)
        return _Second(second, canonical, beyond, inner, outer, before, middle, after[0] if after else b"")


class Signers:
    """The signers of requests to one host. One is made for each path, headers, service and varying header, at the first
    request, and again when the credentials change, but not for equal ones. A caller looks in `made` first, and asks for
    a new one if the one there has other credentials than the caller holds, or if `made` has none."""

    def __init__(self, host: str, region: str) -> None:
        self._host, self._region = host, region
        self.made: dict[Signed, Signer] = {}

    def make(self, signed: Signed, credentials: Credentials) -> Signer:
        path, headers, service, varying = signed
        known = self.made.get(signed)
        if known is not None and known.credentials == credentials:
            known.credentials = credentials  # so that the next look is enough
            return known
        if len(self.made) >= _MOST:
            self.made.clear()
        made = Signer(self._host, path, headers, credentials, self._region, service, varying)
        self.made[signed] = made
        return made


@lru_cache(maxsize=8)
def _scope(secret: str, day: str, region: str, service: str) -> tuple[str, Any, Any]:
    """The credential scope (where and when a signature is valid), and the signing key in the hashes of HMAC."""
    key = f"AWS4{secret}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    padded = key.ljust(_BLOCK, b"\0")
    inner, outer = (sha256(bytes(byte ^ pad for byte in padded)) for pad in (0x36, 0x5C))
    return f"{day}/{region}/{service}/aws4_request", inner, outer
