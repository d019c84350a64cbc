"""Bodies as they come over the wire: base64 of an event, then gzip where the client says so, never past the limit."""

from __future__ import annotations

import base64
import binascii
import zlib

from gateway.api.message import MAX_BODY_BYTES
from gateway.errors import BadRequest, BodyTooLarge, UnsupportedMediaType

_GZIP = zlib.MAX_WBITS | 16


def body_of(text: str, *, in_base64: bool, encoding: str) -> bytes:
    """The body's own bytes. `encoding` is the header Content-Encoding, empty without one.

    Raises BodyTooLarge (counted as decoded: no bomb is unpacked further), UnsupportedMediaType for any coding but one
    gzip, BadRequest for what is not in the coding it is said to be in. An HTTP API hands bodies of application/json and
    text/* on as text, whatever their coding: a packed one has lost its bytes by then, and is refused as such.
    """
    if len(text) > MAX_BODY_BYTES * 4 // 3 + 4:
        raise too_large()
    try:
        body = base64.b64decode(text, validate=True) if in_base64 else text.encode()
    except (binascii.Error, ValueError):  # UnicodeEncodeError is one too
        raise BadRequest("The body is not valid JSON.", code="invalid_json") from None
    return decoded(body, encoding, in_base64=in_base64)


def decoded(body: bytes, encoding: str, *, in_base64: bool = True) -> bytes:
    """As `body_of`, of the bytes as they were sent."""
    if len(body) > MAX_BODY_BYTES:
        raise too_large()
    codings = [name for part in encoding.split(",") if (name := part.strip().lower()) not in ("", "identity")]
    if not codings or not body:
        return body
    if codings not in (["gzip"], ["x-gzip"]):
        raise UnsupportedMediaType("Send the body uncompressed, or compressed once with content-encoding: gzip.")
    if not in_base64:
        raise UnsupportedMediaType(
            "The API passes a body of this content-type on as text, so it can't be gzip: send it as it is, or with "
            "another content-type, for example application/vnd.api+json."
        )
    return _unpacked(body)


def _unpacked(body: bytes) -> bytes:
    unpacking = zlib.decompressobj(_GZIP)
    try:
        unpacked = unpacking.decompress(body, MAX_BODY_BYTES + 1)
    except zlib.error:
        raise _no_gzip() from None
    if len(unpacked) > MAX_BODY_BYTES:
        raise too_large()
    if not unpacking.eof or unpacking.unused_data:
        raise _no_gzip()
    return unpacked


def too_large() -> BodyTooLarge:
    return BodyTooLarge(f"The body has more than {MAX_BODY_BYTES} bytes.")


def _no_gzip() -> BadRequest:
    return BadRequest(
        "The body is not valid gzip: it is cut off, damaged, or more than one member.", code="invalid_encoding"
    )
