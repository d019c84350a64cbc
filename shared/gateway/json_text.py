"""JSON as text, by encoders that are made once; and a limit on nesting. A value that can be read at one depth of calls
may be too deep to copy or write at another."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from json import encoder
from typing import Any, Final

MOST_LEVELS: Final = 100
# The exponent of a small number, as Python writes it. It is looked for first: a text has few of them, but many members.
_EXPONENT = re.compile(r"e-(\d\d)(?=[,}])")
# The rest of a member's small number, before its exponent. A quote after a letter ends a name or a text: a quote inside
# a text has a backslash before it, and one that begins a text follows a colon, a comma or a bracket.
_SMALL = re.compile(r'[A-Za-z0-9_]":(-?)(\d)(?:\.(\d+))?')
_LONGEST = 26  # characters of the latter: no float has more than 17 digits


def writer(
    *,
    ascii_only: bool = True,
    allow_nan: bool = True,
    default: Callable[[Any], Any] | None = None,
    decimals: bool = False,
) -> Callable[[Any], str]:
    """A function that writes a value without blanks. `default` replaces a value that JSON does not have; without it
    such a value raises TypeError. With `decimals` small numbers are written out, as people read money: 0.000006, not
    6e-06.

    json.dumps makes an encoder at each call, and JSONEncoder.encode makes the part that is written in C: half the cost
    of a short text. Only the check for a value that contains itself is left out; JSON that was read never does.
    """
    made = json.JSONEncoder(
        ensure_ascii=ascii_only, check_circular=False, allow_nan=allow_nan, separators=(",", ":"), default=default
    )
    make: Any = getattr(encoder, "c_make_encoder", None)  # json itself uses it, if the interpreter has it
    if make is None:
        return (lambda value: decimal(made.encode(value))) if decimals else made.encode
    string = encoder.encode_basestring_ascii if ascii_only else encoder.encode_basestring
    parts = make(None, made.default, string, None, ":", ",", False, False, allow_nan)
    if decimals:
        return lambda value: decimal("".join(parts(value, 0)))
    return lambda value: "".join(parts(value, 0))


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
