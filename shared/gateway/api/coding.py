"""Decodes bodies as they come over the wire: an event's base64, then gzip if the client says so, within the limit."""

from __future__ import annotations

import base64
import binascii
import zlib

from gateway.api.message import MAX_BODY_BYTES, too_large
from gateway.errors import BadRequest, UnsupportedMediaType

_GZIP = zlib.MAX_WBITS | 16


def body_of(text: str, *, in_base64: bool, encoding: str) -> bytes:
    """The decoded bytes of the body. `encoding` is the header Content-Encoding, empty if it is missing.

    Raises BodyTooLarge (decoded bytes count, and unpacking stops at the limit: no zip bomb), UnsupportedMediaType for
    any coding but a single gzip, BadRequest for a body that is not in the coding that it names. An HTTP API passes
    bodies of application/json and text/* on as text, whatever their coding. A compressed one has lost bytes by then,
    and is refused for that.
    """
    if len(text) > MAX_BODY_BYTES * 4 // 3 + 4:
        raise too_large()
    try:
        body = base64.b64decode(text, validate=True) if in_base64 else text.encode()
    except (binascii.Error, ValueError):  # UnicodeEncodeError is one too
        raise BadRequest("The body is not valid JSON.", code="invalid_json") from None
    if not encoding and len(body) <= MAX_BODY_BYTES:  # as most bodies
        return body
    return decoded(body, encoding, in_base64=in_base64)


def decoded(body: bytes, encoding: str, *, in_base64: bool = True) -> bytes:
    """Like `body_of`, for the bytes as they were sent."""
    if len(body) > MAX_BODY_BYTES:
        raise too_large()
    if not encoding:
        return body
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


def _no_gzip() -> BadRequest:
    return BadRequest(
        "The body is not valid gzip: it is cut off, damaged, or more than one member.", code="invalid_encoding"
    )
