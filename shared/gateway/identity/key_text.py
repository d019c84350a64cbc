"""API keys: `sk-` + 12 base62 public id + `-` + 32 base62 secret + 6 base62 CRC-32 of everything before it.

The checksum refuses a mistyped or invented key before any read. The id names the key in logs and rows. Only the SHA-256
digest is stored (190 bits of secret need no pepper).
"""

from __future__ import annotations

import hashlib
import hmac
import re
import zlib
from collections.abc import Mapping

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_FORM = re.compile(r"sk-([0-9A-Za-z]{12})-[0-9A-Za-z]{32}[0-9A-Za-z]{6}", re.ASCII)
_BEARER = re.compile(r"bearer +(.*)", re.ASCII | re.IGNORECASE)
KEY_ID = r"[0-9A-Za-z]{1,64}"  # any id that could ever be a key's
TEAM_ID = r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}"
X_API_KEY, API_KEY, AUTHORIZATION = "x-api-key", "api-key", "authorization"
HEADERS = (AUTHORIZATION, X_API_KEY, API_KEY)  # the headers that a key may be sent in


def new_key(identifier: str | None = None) -> str:
    """A fresh key from the system's randomness, or a new secret for a given id. It is shown once and never stored."""

    from secrets import choice  # here, since it loads random, and only an admin makes keys

    def text(length: int) -> str:
        return "".join(choice(_DIGITS) for _ in range(length))

    body = f"sk-{identifier or text(12)}-{text(32)}"
    return body + _checksum(body)


def key_id(key: str) -> str | None:
    """The public id of a well-formed key with a correct checksum, else None."""
    match = _FORM.fullmatch(key)
    if match is None or not hmac.compare_digest(key[-6:], _checksum(key[:-6])):
        return None
    return match[1]


def in_header(header: str, value: str) -> str:
    """The key in the value of this (lower-case) header, bare or after `Bearer`; else empty."""
    if header in (X_API_KEY, API_KEY):
        return value.strip(" \t")
    match = _BEARER.fullmatch(value.strip(" \t")) if header == AUTHORIZATION else None
    return match[1] if match else ""


def sent(headers: Mapping[str, str]) -> tuple[str, ...]:
    """The keys in all headers that a key may be sent in (lower-case names), each once. A header that was sent twice
    arrives as one value with commas, and no key has a comma."""
    values = ((name, value) for name in HEADERS for value in headers.get(name, "").split(","))
    return tuple(dict.fromkeys(filter(None, (in_header(name, value) for name, value in values))))


def header_of(value: str) -> str:
    """The header that a value of this form belongs to."""
    return AUTHORIZATION if _BEARER.fullmatch(value.strip(" \t")) else X_API_KEY


def digest(key: str) -> str:
    """The SHA-256 of the whole key in hex, which is what is stored."""
    return hashlib.sha256(key.encode()).hexdigest()


def matches(key: str, stored: str) -> bool:
    """Whether `stored` is this key's digest, compared in constant time."""
    return hmac.compare_digest(digest(key), stored)


def _checksum(body: str) -> str:
    number, text = zlib.crc32(body.encode()), ""
    for _ in range(6):
        number, digit = divmod(number, 62)
        text = _DIGITS[digit] + text
    return text
