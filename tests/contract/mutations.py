"""Bodies that no client would send: in a valid body, any node is replaced by any JSON value, by a seed.

A separate writer writes the body, because many of the tried texts have no Python value: keys that occur twice, NaN,
endless numbers, half a surrogate pair, bytes that are not UTF-8.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Raw:
    """A value as it is written on the wire."""

    text: str


class Pairs(list[tuple[str, Any]]):
    """An object, in which a key may occur twice."""


def nested(levels: int, opening: str = "[", inner: str = "1", closing: str = "]") -> Raw:
    return Raw(opening * levels + inner + closing * levels)


ODD: list[Any] = [
    None, True, False, 0, 1, -1, 2, 1.5, -0.0, 2**31, -(2**31) - 1, 2**53, 2**63, 2**64, 10**18, 1e300, -1e-300,
    "", " ", "x", "0", "-1", "1e5", "NaN", "null", "true", "[]", "{}", "x" * 300, "x" * 20_000, "\x00",
    "a\x00b", "\n", "\u2028",
    "😀", "ﷺ" * 50, "\u0661", "../..", "#", "a#b", "${x}", "%00", "<script>", "=1+1", "1970-01-01",
    "9999-12-31T23:59:59Z",
    "10000-01-01", "https://example.com/a.png", "data:image/png;base64,AAAA", "data:image/png;base64,*", "openai/gpt-4",
    [], {}, [[]], [{}], {"": ""}, [None], [""], [0], [[[[]]]], {"type": ["x"]}, {"type": {}}, {"type": None},
    {"x": {"y": [1]}},
    [None] * 200, {str(number): number for number in range(200)}, ["x"] * 2_000,
    Raw("NaN"), Raw("Infinity"), Raw("-Infinity"), Raw("1e999"), Raw("-1e999"), Raw("1E400"), Raw("1" + "0" * 400),
    Raw("-1" + "0" * 400), Raw("9" * 5_000), Raw("0.1e-999"), Raw("1.0"), Raw("1e2"), Raw("-0"),
    Raw('"\\ud800"'), Raw('"a\\udfff\\ud800b"'), Raw('"\\u0000"'), Raw('{"\\ud800": 1}'), Raw('{"\\u0000": 1}'),
    Raw('{"a": 1, "a": {}}'), Raw('{"type": "text", "type": ["x"]}'), Raw("[1,]"), Raw("01"), Raw("'x'"),
    Raw('"\xff\xfe"'),
    nested(50), nested(98), nested(101), nested(900), nested(5_000), nested(90, '{"a":', "1", "}"),
    nested(900, '{"a":', "1", "}"), nested(900, '[{"a":', "1", "}]"),
]  # fmt: skip
KEYS = [
    "", " ", "x", "type", "model", "Model", "MODEL", "models", "id", "name", "text", "content", "role", "null",
    "__class__",
    "constructor", "a.b", "a[0]", "x" * 300, "x" * 20_000, "\x00", "😀", "ﷺ", "#", ":v", "$ref", "\\", '"',
]  # fmt: skip


def bodies(valid: list[Any], cases: int, seed: str) -> Iterator[bytes]:
    """This many bodies; they are the same for the same seed."""
    for number in range(cases):
        chance = random.Random(f"{seed}/{number}")
        body = _copy(chance.choice(valid))
        for _ in range(chance.choice((1, 1, 1, 2, 3))):
            body = _changed(body, chance)
        yield written(body)


def written(value: Any) -> bytes:
    """A body as JSON, or as close to JSON as possible."""
    return _text(_copy(value)).encode("latin-1")


def _copy(value: Any) -> Any:
    if isinstance(value, (dict, Pairs)):
        return Pairs((key, _copy(each)) for key, each in (value.items() if isinstance(value, dict) else value))
    return [_copy(each) for each in value] if isinstance(value, list) else value


def _text(value: Any) -> str:
    if isinstance(value, Raw):
        return value.text
    if isinstance(value, Pairs):
        return "{" + ",".join(f"{json.dumps(key)}:{_text(each)}" for key, each in value) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_text, value)) + "]"
    return json.dumps(value)


def _changed(body: Any, chance: random.Random) -> Any:
    """The body with one node changed; sometimes the whole body is replaced."""
    places = list(_places(body))
    if not places or chance.random() < 0.01:
        return _copy(chance.choice(ODD))
    holder, at = chance.choice(places)
    node = holder[at][1] if isinstance(holder, Pairs) else holder[at]

    def put(new: Any) -> None:
        holder[at] = (holder[at][0], new) if isinstance(holder, Pairs) else new

    kind = chance.choice(("odd", "odd", "odd", "odd", "drop", "name", "twice", "more", "wrap", "swap", "same", "cut"))
    if kind == "drop":
        del holder[at]
    elif kind == "name" and isinstance(holder, Pairs):
        holder[at] = (chance.choice(KEYS), node)
    elif kind == "twice" and isinstance(holder, Pairs):
        holder.append((holder[at][0], _copy(chance.choice(ODD))))
    elif kind == "more" and isinstance(holder, Pairs):
        holder.insert(chance.randrange(len(holder) + 1), (chance.choice(KEYS), _copy(chance.choice(ODD))))
    elif kind == "wrap":
        put([node] if chance.random() < 0.5 else Pairs([(chance.choice(KEYS), node)]))
    elif kind == "swap":
        other, there = chance.choice(places)
        put(_copy(other[there][1] if isinstance(other, Pairs) else other[there]))
    elif kind == "same" and not isinstance(holder, Pairs):
        holder.extend(_copy(node) for _ in range(chance.choice((1, 3, 40))))
    elif kind == "cut" and isinstance(node, str):
        put(node[: chance.randrange(len(node) + 1)] + str(chance.choice(("", "\x00", "\u202e", " ", "\n", "é"))))
    else:
        put(_copy(chance.choice(ODD)))
    return body


def _places(value: Any) -> Iterator[tuple[Any, int]]:
    for at, each in enumerate(value if isinstance(value, list) else ()):
        yield value, at
        yield from _places(each[1] if isinstance(value, Pairs) else each)
