"""JSON as bytes and text; and a limit on nesting. A value that can be read at one depth of calls may be too deep to
copy or write at another.

orjson does the usual work, at a fraction of the standard library's cost. It can't write half of a surrogate pair, an
integer over 64 bits or a key that is no text, and it might read some texts in another way. The standard library does
that. orjson writes NaN and infinity as null; nothing here that reads JSON of others lets them in, and answers are
looked through. It writes a value of an enumeration, and a UUID, which the standard library refuses.
"""

from __future__ import annotations

import json
import re
from math import isfinite
from typing import Any, Final

from orjson import OPT_PASSTHROUGH_DATACLASS, OPT_PASSTHROUGH_DATETIME, OPT_PASSTHROUGH_SUBCLASS, dumps, loads

MOST_LEVELS: Final = 100
_AS_JSON: Final = OPT_PASSTHROUGH_DATACLASS | OPT_PASSTHROUGH_DATETIME | OPT_PASSTHROUGH_SUBCLASS  # json refuses these
_compact: Final = json.JSONEncoder(check_circular=False, allow_nan=False, separators=(",", ":")).encode
_compact_utf8: Final = json.JSONEncoder(check_circular=False, ensure_ascii=False, separators=(",", ":")).encode
_compact_any: Final = json.JSONEncoder(check_circular=False, separators=(",", ":"), default=str).encode
# The exponent of a small number, as orjson (6e-6) or Python (6e-06) writes it. It is looked for first: a text has few
# of them, but many members.
_EXPONENT = re.compile(r"e-(\d\d?)(?=[,}])")
# The rest of a member's small number, before its exponent. A quote after a letter ends a name or a text: a quote inside
# a text has a backslash before it, and one that begins a text follows a colon, a comma or a bracket.
_SMALL = re.compile(r'[A-Za-z0-9_]":(-?)(\d)(?:\.(\d+))?')
_LONGEST = 26  # characters of the latter: no float has more than 17 digits
_SHORTER = re.compile(rb"e-\d(?:[],}]|\Z)")  # a number that Python writes with one more digit
# A text as it is looked through before orjson reads it: each digit is a 0, each opening bracket a [.
_SEEN: Final = bytes(b"0"[0] if each in b"0123456789" else b"["[0] if each in b"[{" else 0 for each in range(256))
_MANY_DIGITS: Final = b"0" * 19  # an integer with fewer has at most 64 bits; orjson makes floats of larger ones


def to_bytes(value: Any) -> bytes:
    """JSON in UTF-8, without blanks. Half a surrogate pair is escaped. `value` has no NaN and no infinity. Raises
    TypeError or RecursionError for a value that JSON does not have."""
    try:
        return dumps(value, option=_AS_JSON)
    except TypeError:
        return _compact(value).encode()


def to_text(value: Any, *, finite: bool = False) -> str:
    """The text of `to_bytes`, but with small numbers written out, as people read money: 0.000006, not 6e-06. Raises as
    `to_bytes`, and ValueError for NaN and infinity. `finite`: the value is known to have neither, as one that was read
    from JSON here; with a null in it, it is written at half the cost."""
    try:
        data = dumps(value, option=_AS_JSON)
    except TypeError:
        text = _compact(value)
    else:
        # If it reads as the value, each null was a null: a NaN equals nothing else. The walk costs more.
        sound = finite or b"null" not in data or loads(data) == value or _is_finite(value)
        text = data.decode() if sound else _compact(value)
    return decimal(text) if "e-" in text else text


def to_line(value: Any) -> str:
    """JSON in ASCII for a log, with small numbers written out. A value that JSON does not have becomes its str()."""
    try:
        data = dumps(value, option=_AS_JSON)
    except TypeError:
        return decimal(_compact_any(value))
    text = data.decode() if data.isascii() else _compact_any(value)
    return decimal(text) if "e-" in text else text


def countable(value: Any) -> bytes:
    """JSON in UTF-8, with never fewer bytes than the texts of `to_bytes` and of json.dumps have, if these don't escape
    characters: money is held for each of them. Half a surrogate pair takes three, so decoding needs `surrogatepass`.
    Raises as `to_bytes`."""
    try:
        data = dumps(value, option=_AS_JSON)
    except TypeError:
        return _compact_utf8(value).encode(errors="surrogatepass")
    if b"e-" in data and _SHORTER.search(data):
        return max(data, _compact_utf8(value).encode(errors="surrogatepass"), key=len)
    return data


def read(data: bytes | str) -> tuple[Any, bool] | None:
    """The value of JSON in UTF-8, and whether it has too few brackets to exceed MOST_LEVELS. None if it is no JSON, or
    if the standard library might read it differently: that is to be asked then."""
    try:
        data = data.encode() if isinstance(data, str) else data
        seen = data.translate(_SEEN)
        return None if _MANY_DIGITS in seen else (loads(data), seen.count(b"[") <= MOST_LEVELS)
    except ValueError:
        return None


def decimal(text: str) -> str:
    """JSON text with the small numbers of objects' members written out. Numbers in lists stay as they are: nobody reads
    vectors, and they have thousands."""
    written, done = "", 0
    for exponent in _EXPONENT.finditer(text):
        end = exponent.start()
        start = text.rfind('":', max(done, end - _LONGEST), end) - 1
        found = _SMALL.fullmatch(text, start, end) if start >= 0 else None
        if found is not None:
            sign, first, rest = found.groups()
            written += f"{text[done : start + 3]}{sign}0.{'0' * (int(exponent[1]) - 1)}{first}{rest or ''}"
            done = exponent.end()
    return written + text[done:] if done else text


def _is_finite(value: Any) -> bool:
    """Whether a value that orjson has written has no NaN and no infinity."""
    parts = [value]
    for part in parts:
        kind = type(part)
        if kind is dict:
            parts += part.values()
        elif kind is list or kind is tuple:
            parts += part
        elif kind is float and not isfinite(part):
            return False
    return True


def is_shallow_text(text: str) -> bool:
    """Whether JSON text has too few brackets to exceed MOST_LEVELS. If it has more, ask `is_shallow`."""
    return text.count("{") + text.count("[") <= MOST_LEVELS


def is_shallow(value: Any, most: int = MOST_LEVELS) -> bool:
    """Whether a JSON value has at most `most` levels of objects and lists. It works without recursion."""
    level = [value] if isinstance(value, (dict, list)) else []
    for _ in range(most):
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, (dict, list))
        ]
        if not level:
            return True
    return False
