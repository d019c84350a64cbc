"""A request and a response, independent of API Gateway's event format."""

from __future__ import annotations

import json
import math
import os
import re
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct, field

from gateway.errors import BadRequest, BodyTooLarge, UnsupportedMediaType
from gateway.json_text import MOST_LEVELS, is_shallow, is_shallow_text, read, to_text

if TYPE_CHECKING:  # a function that asks for no key must not load the modules of keys
    from gateway.identity.caller import Caller

# The format of errors. openai: OpenAI's shape, plus a top-level `message` for API Gateway's clients. gateway: the same,
# except that an unknown model is a 400, as in the original of /api/v1. jsonrpc: an error object whose data is OpenAI's
# error. messages: Anthropic's shape.
Dialect = Literal["openai", "gateway", "jsonrpc", "messages"]
MAX_BODY_BYTES = 5 * 1024 * 1024
_JSON = "application/json"
_LONGEST_NAME = 256  # of a field that an error names
_UTF8 = frozenset(("utf-8", "utf8", "us-ascii", "ascii"))
_ETAG = re.compile(r'(?:W/)?"?(\d{1,12})"?', re.ASCII)
_CORRELATION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:=/+-]{0,127}", re.ASCII)
_VARIANT = dict(zip("0123456789abcdef", "89ab" * 4, strict=True))  # a UUID's digit for its variant, by any digit
_VISIBLE = re.compile(r"[!-~]{1,128}", re.ASCII)


def _never() -> bool:
    return False


class Request(Struct, eq=False):
    """`headers` have lower-case names, `body` is decoded, `context` is what the authorizer passed on. `started` and
    `deadline` are on time.monotonic. `by` is the caller on a route that asks for a key, `errors` the route's error
    dialect. `source` is the client's address and `trace` its trace header; both are empty if the door does not know
    them. `streams` says whether the door sends a body while it is made. `gone` says whether the client has hung up, as
    far as the door can see; code that waits for something else on the client's behalf asks it now and then."""

    route: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    query: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    context: Mapping[str, Any] = field(default_factory=dict)
    correlation_id: str = ""
    request_id: str = ""
    started: float = field(default_factory=time.monotonic)
    deadline: float = math.inf
    by: Caller | None = None
    errors: Dialect = "openai"
    source: str = ""
    trace: str = ""
    streams: bool = False
    gone: Callable[[], bool] = _never
    _parsed: dict[str, Any] | None = None

    def __repr__(self) -> str:
        """Says nothing of its headers: they have a key."""
        return f"Request({self.route!r}, correlation_id={self.correlation_id!r})"

    @property
    def caller(self) -> Caller:
        """The caller, on a route that asks for a key. A public route has none."""
        if self.by is None:
            raise RuntimeError(f"{self.route} asks for no key, so nobody is known to call it.")
        return self.by

    def json(self) -> dict[str, Any]:
        """The body as a JSON object. It is parsed once and shared: a change to it is seen by all readers. Raises
        UnsupportedMediaType, BadRequest; the size is checked first."""
        if self._parsed is None:
            if self.headers.get("content-type") != _JSON:  # as most clients write it
                media_type = self.media_type()
                if media_type != _JSON and not media_type.endswith("+json"):
                    raise UnsupportedMediaType("The body must be JSON, with content-type: application/json.")
            self._parsed = parse_json_object(self.body)
        return self._parsed

    def media_type(self) -> str:
        """The media type of the body from Content-Type, in lower case; empty if it is missing. Raises
        UnsupportedMediaType if the charset is anything but UTF-8."""
        media_type, *parameters = (part.strip() for part in self.headers.get("content-type", "").split(";"))
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.strip().lower() == "charset" and value.strip().strip("'\"").lower() not in _UTF8:
                raise UnsupportedMediaType("The body must be UTF-8; another charset is not supported.")
        return media_type.lower()

    def optional_json(self) -> dict[str, Any]:
        """Like `json`, but an empty body is an empty object."""
        return self.json() if self.body else {}

    def if_match(self) -> int | None:
        """The version in If-Match, which holds an ETag of ours; None for any version. Raises BadRequest."""
        sent = self.headers.get("if-match")
        if sent is None or sent.strip() == "*":
            return None
        match = _ETAG.fullmatch(sent.strip())
        if match is None:
            raise BadRequest("If-Match must hold the ETag of an earlier answer.", param="If-Match")
        return int(match[1])

    def limit(self, usual: int = 100, most: int = 1000) -> int:
        """The query's `limit`. Raises BadRequest."""
        text = self.query.get("limit", str(usual))
        if not text.isascii() or not text.isdigit() or len(text) > 10 or not 1 <= int(text) <= most:
            raise BadRequest(f"limit: must be a whole number from 1 to {most}", param="limit")
        return int(text)

    def seconds_left(self) -> float:
        return self.deadline - time.monotonic()


class Response(Struct, frozen=True):
    """`body` is text, a JSON value, or an iterator of bytes. The receiver of an iterator reads it to its end or closes
    it."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = MappingProxyType({})
    media_type: str = "application/json"

    def text(self) -> str:
        """The body as text. Raises as `json_body` does."""
        return self.body if isinstance(self.body, str) else json_body(self.body)


def json_body(value: Any, *, finite: bool = False) -> str:
    """A JSON value as the text of a body. It ends with a newline, for terminals. Raises ValueError or TypeError for a
    value that JSON can't express, such as an iterator. `finite`: it is known to have no NaN and no infinity."""
    return f"{to_text(value, finite=finite)}\n"


def parse_json_object(body: bytes) -> dict[str, Any]:
    """A JSON object, by the rules of `parse_json`. Raises BadRequest."""
    value = parse_json(body)
    if not isinstance(value, dict):
        raise BadRequest("The body must be a JSON object.", code="invalid_json")
    return value


def parse_json(body: bytes) -> Any:
    """Strict JSON in UTF-8: no NaN, no infinity in any spelling, no unlimited nesting or digits. Raises BadRequest.

    A byte order mark is skipped.
    """
    if len(body) > MAX_BODY_BYTES:
        raise too_large()
    value, shallow = read(body) or _strictly(body)
    if shallow:
        return value
    for name, part in value.items() if isinstance(value, dict) else [("", value)]:
        if not is_shallow(part):
            name = name[:_LONGEST_NAME]
            raise BadRequest(f"{name or 'The body'}: nested more than {MOST_LEVELS} levels deep", param=name or None)
    return value


def _strictly(body: bytes) -> tuple[Any, bool]:
    """Like `read`, by the standard library. The bytes are decoded here, since json would guess an encoding: it would
    also take UTF-16, and surrogates written as UTF-8."""
    try:
        text = body.decode().removeprefix("\ufeff")
        return _STRICT.decode(text), is_shallow_text(text)
    except (ValueError, RecursionError) as error:
        raise BadRequest(_no_json(body, error), code="invalid_json") from None


def too_large() -> BodyTooLarge:
    """The refusal of a body that is larger than MAX_BODY_BYTES."""
    return BodyTooLarge(f"The body has more than {MAX_BODY_BYTES:,} bytes (5 MiB), the maximum.")


def _no_json(body: bytes, error: Exception) -> str:
    """Says where a body stops being JSON. The text there is not repeated, because it may be a secret."""
    if not body.strip():
        return "The body is empty, and must be a JSON object."
    if isinstance(error, UnicodeDecodeError):
        return f"The body is not valid JSON in UTF-8: byte {error.start + 1} is not UTF-8."
    if isinstance(error, json.JSONDecodeError):
        return f"The body is not valid JSON: see line {error.lineno}, column {error.colno}."
    return "The body is not valid JSON."


def correlation_id(sent: str | None) -> str:
    """The caller's own correlation id if it is well-formed, else a new one."""
    return sent if sent and _CORRELATION.fullmatch(sent) else _new_id()


def request_id(given: str | None) -> str:
    """The platform's id of this request, as in its access log; a new one if that id can't go into a header."""
    return given if given and _VISIBLE.fullmatch(given) else _new_id()


def _new_id() -> str:
    """A random UUID of version 4 as text. The module uuid makes an object first, which costs twice as much."""
    digits = os.urandom(16).hex()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{_VARIANT[digits[16]]}{digits[17:20]}-{digits[20:]}"


def _refuse(constant: str) -> float:
    raise BadRequest(f"The body is not valid JSON: {constant} is not a JSON number.", code="invalid_json")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise BadRequest("The body contains a number that is too large.", code="invalid_json")
    return number


# Made once: json.loads would make a decoder at each call.
_STRICT = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite)
