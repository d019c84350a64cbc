"""A request and a response, free of how API Gateway spells them."""

from __future__ import annotations

import json
import math
import re
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from gateway.errors import BadRequest, BodyTooLarge, UnsupportedMediaType
from gateway.json_text import MOST_LEVELS, is_shallow, is_shallow_text, writer

if TYPE_CHECKING:  # whoever asks for no key loads nothing of keys
    from gateway.identity.caller import Caller

# How errors are told. openai: OpenAI's shape, plus a top-level `message` for API Gateway's clients. gateway: the same,
# but that an unknown model is a 400, as with the original of /api/v1. jsonrpc: an error object, with these as its data.
# messages: Anthropic's shape.
Dialect = Literal["openai", "gateway", "jsonrpc", "messages"]
MAX_BODY_BYTES = 5 * 1024 * 1024
_LONGEST_NAME = 256  # of a field, as an error names it
_UTF8 = frozenset(("utf-8", "utf8", "us-ascii", "ascii"))
_ETAG = re.compile(r'(?:W/)?"?(\d{1,12})"?', re.ASCII)
_CORRELATION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:=/+-]{0,127}", re.ASCII)
_written = writer(allow_nan=False, decimals=True)
_VISIBLE = re.compile(r"[!-~]{1,128}", re.ASCII)


def _never() -> bool:
    return False


@dataclass(slots=True)
class Request:
    """`headers` have lower-case names, `body` is decoded; `context` is what the authorizer handed on; `started` and
    `deadline` are on time.monotonic. `by` is who called, on a route that asks for a key, and
    `errors` the dialect of the route's. `source` is the client's address, `trace` the header of its trace, both
    empty where the door is not told. `streams` says whether the door gives a body on as it is made; `gone` says
    whether the client has hung up, as far as the door can see: whoever waits for something else on its behalf
    asks now and then."""

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
    _parsed: dict[str, Any] | None = field(default=None, init=False, repr=False)

    @property
    def caller(self) -> Caller:
        """Who called. Only of a route that asks for a key: on a public one nobody is known."""
        if self.by is None:
            raise RuntimeError(f"{self.route} asks for no key, so nobody is known to call it.")
        return self.by

    def json(self) -> dict[str, Any]:
        """The body as a JSON object, parsed once: who changes it, changes it for all. Raises UnsupportedMediaType,
        BadRequest; size is checked before anything."""
        if self._parsed is None:
            media_type = self.media_type()
            if media_type != "application/json" and not media_type.endswith("+json"):
                raise UnsupportedMediaType("The body must be JSON, with content-type: application/json.")
            self._parsed = parse_json_object(self.body)
        return self._parsed

    def media_type(self) -> str:
        """What the body is said to be, lower-case, empty where nothing is said. Raises UnsupportedMediaType for text
        that is said to be anything but UTF-8."""
        media_type, *parameters = (part.strip() for part in self.headers.get("content-type", "").split(";"))
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.strip().lower() == "charset" and value.strip().strip("'\"").lower() not in _UTF8:
                raise UnsupportedMediaType("The body must be UTF-8; another charset is not supported.")
        return media_type.lower()

    def optional_json(self) -> dict[str, Any]:
        """As `json`, where a body may be left out."""
        return self.json() if self.body else {}

    def if_match(self) -> int | None:
        """The version that If-Match asks for, as an ETag of ours; None for any. Raises BadRequest."""
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


class Response(NamedTuple):
    """`body` is text, anything JSON can say, or an iterator of bytes, which whoever takes it reads to its end or
    closes."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = MappingProxyType({})
    media_type: str = "application/json"

    def text(self) -> str:
        """The body as text; JSON ends with a line's end, since a terminal shows it. Raises ValueError, TypeError for
        what JSON can't say, an iterator too."""
        if isinstance(self.body, str):
            return self.body
        return f"{_written(self.body)}\n"


def parse_json_object(body: bytes) -> dict[str, Any]:
    """A JSON object, by the rules of `parse_json`. Raises BadRequest."""
    value = parse_json(body)
    if not isinstance(value, dict):
        raise BadRequest("The body must be a JSON object.", code="invalid_json")
    return value


def parse_json(body: bytes) -> Any:
    """Strict JSON in UTF-8: no NaN, no infinity in any spelling, no nesting or digits without end. Raises BadRequest.

    A byte order mark is passed over. Bytes alone would let json guess: UTF-16 too, and surrogates written as UTF-8.
    """
    if len(body) > MAX_BODY_BYTES:
        raise BodyTooLarge(f"The body has more than {MAX_BODY_BYTES} bytes (5 MiB), the maximum.")
    try:
        text = body.decode().removeprefix("\ufeff")
        value = _STRICT.decode(text)
    except (ValueError, RecursionError):
        raise BadRequest("The body is not valid JSON in UTF-8.", code="invalid_json") from None
    if is_shallow_text(text):
        return value
    for name, part in value.items() if isinstance(value, dict) else [("", value)]:
        if not is_shallow(part):
            name = name[:_LONGEST_NAME]
            raise BadRequest(f"{name or 'The body'}: nested more than {MOST_LEVELS} levels deep", param=name or None)
    return value


def correlation_id(sent: str | None) -> str:
    """The caller's own, if it is sane, else a new one."""
    return sent if sent and _CORRELATION.fullmatch(sent) else str(uuid.uuid4())


def request_id(given: str | None) -> str:
    """The platform's own id of this request, as its access log has it; a new one where that can't stand in a header."""
    return given if given and _VISIBLE.fullmatch(given) else str(uuid.uuid4())


def _refuse(constant: str) -> float:
    raise BadRequest(f"The body is not valid JSON: {constant} is not a JSON number.", code="invalid_json")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise BadRequest("The body contains a number that is too large.", code="invalid_json")
    return number


# Made once: json.loads makes one at each call.
_STRICT = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite)
