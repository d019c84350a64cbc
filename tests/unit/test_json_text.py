"""What is written and read with orjson means what the standard library would write and read, and money is the same."""

import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, StrEnum
from typing import Any, NamedTuple, NoReturn
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.api.message import parse_json
from gateway.dialects.values import read_json
from gateway.errors import BadRequest
from gateway.json_text import MOST_LEVELS, countable, read, to_bytes, to_line, to_text

ANY_TEXT = st.text(st.characters(codec=None, categories=None))  # half surrogate pairs too: clients send them
INTEGERS = st.integers() | st.sampled_from([2**53, 2**63 - 1, 2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1])
FLOATS = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([1e-05, 9.9e-05, 1e-07, 1e16, 1e22, -0.0])
VALUES = st.recursive(
    st.none() | st.booleans() | INTEGERS | FLOATS | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=20,
)
# Texts that are almost JSON: each part may be broken.
NUMBERS = st.from_regex(r"-?(0|[1-9][0-9]{0,22})(\.[0-9]{1,22})?([eE][+-]?[0-9]{1,4})?", fullmatch=True)
# fmt: off
ODD = st.sampled_from([
    "NaN", "Infinity", "-Infinity", "01", "1.", ".5", "+1", "nul", "True", "[1,]", "{'a':1}", '{"a" 1}', '"\x01"', "",
    '"\\ud800"', '"\\ud83d\\ude00"', '"\\udc00\\ud800"', '"\\u00e9"', '"\ud800"', '"\\x"', "\ufeff1", "1 2", "\x0b1",
    "1\0", "18446744073709551616", "-9223372036854775809", "1e400", "-1e400", "1e-400", "-0", "0.1e1", "1" * 400,
])
# fmt: on
TEXTS = st.recursive(
    NUMBERS | ODD | VALUES.map(json.dumps),
    lambda inner: (
        st.lists(inner, max_size=4).map(lambda parts: f"[{', '.join(parts)}]")
        | st.lists(st.tuples(ANY_TEXT.map(json.dumps) | st.just('"a"'), inner), max_size=4).map(
            lambda members: f"{{{', '.join(f'{name}: {part}' for name, part in members)}}}"
        )
    ),
    max_leaves=8,
)


def dumps(value: Any, *, ascii_only: bool = True) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=ascii_only)


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal in every type, member and order."""
    return repr(one) == repr(other)


@given(VALUES)
def test_any_value_is_read_as_what_json_dumps_writes(value: Any) -> None:
    wanted = json.loads(json.dumps(value))
    for text in (
        to_bytes(value).decode(),
        to_text(value),
        to_line(value),
        countable(value).decode(errors="surrogatepass"),
    ):
        assert same(json.loads(text), wanted)
    assert to_line(value).isascii()


@given(VALUES)
def test_a_value_that_is_known_to_be_finite_is_written_alike(value: Any) -> None:
    assert to_text(value, finite=True) == to_text(value)


@given(VALUES)
def test_money_is_held_for_every_byte_that_json_dumps_writes(value: Any) -> None:
    counted, usual = countable(value), dumps(value, ascii_only=False).encode(errors="surrogatepass")
    assert len(counted) >= len(usual)
    if counted.isascii():  # the other fallback escapes
        assert len(counted) >= len(to_bytes(value))
    if "0.0000" not in counted.decode(errors="surrogatepass"):  # Python writes 1e-05 for 0.00001
        assert counted == usual


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    "around",
    [
        lambda number: number,
        lambda number: {"a": None, "b": [({"c": number},)]},
        lambda number: {"a": None, "b": [{"c": number}]},
    ],
)
def test_a_number_that_json_has_not_is_in_no_answer(number: float, around: Any) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        to_text(around(number))


class Pair(NamedTuple):
    one: int
    other: str


@dataclass
class Thing:
    one: int = 1


@pytest.mark.parametrize("value", [{1}, Thing(), datetime.now(UTC), b"bytes", 1j, {"a": [object()]}])
def test_what_json_has_not_is_told_in_a_log_and_refused_elsewhere(value: Any) -> None:
    assert json.loads(to_line({"a": value})) == json.loads(json.dumps({"a": value}, default=str))
    for write in (to_bytes, to_text, countable):
        with pytest.raises(TypeError):
            write({"a": value})


@pytest.mark.parametrize("value", [{1: 2, None: True, 1.5: False}, Pair(1, "é"), (1, (2,)), {"a": Pair(2, "b")}])
def test_what_only_json_writes_is_written_by_it(value: Any) -> None:
    for write in (to_bytes, to_text, to_line, countable):
        assert json.loads(write(value)) == json.loads(json.dumps(value))


class Word(StrEnum):
    YES = "yes"


class Number(Enum):
    ONE = 1


@pytest.mark.parametrize(
    ("value", "told"), [(Word.YES, "yes"), (Number.ONE, 1), (UUID(int=1), "00000000-0000-0000-0000-000000000001")]
)
def test_a_value_of_an_enumeration_and_a_uuid_are_written_alike_everywhere(value: Any, told: Any) -> None:
    """orjson has no option that leaves them to the standard library, which would refuse the last two."""
    for write in (to_bytes, to_text, to_line, countable):
        assert json.loads(write({"a": value})) == {"a": told}


@pytest.mark.parametrize("levels", [MOST_LEVELS, 253, 254, 255, 300])
def test_a_deep_value_is_written_whole(levels: int) -> None:
    value = json.loads("[" * levels + "]" * levels)
    for write in (to_bytes, to_text, to_line, countable):
        assert json.loads(write(value)) == value


SMALL = [
    (6e-06, "0.000006"),
    (1.23e-05, "0.0000123"),
    (-2.5e-07, "-0.00000025"),
    (3e-12, "0.000000000003"),
    (0.0001, "0.0001"),
    (0.0, "0.0"),
    (123456789.25, "123456789.25"),
]


@pytest.mark.parametrize(("number", "told"), SMALL)
def test_money_is_told_in_plain_decimals(number: float, told: str) -> None:
    for write in (to_text, to_line):
        text = write({"cost": number, "of": {"total": number}})
        assert text == f'{{"cost":{told},"of":{{"total":{told}}}}}'
        assert json.loads(text) == {"cost": number, "of": {"total": number}}
        odd = write({"cost": number, "half": "\ud800"})  # written by the standard library
        assert odd == f'{{"cost":{told},"half":"\\ud800"}}'


@pytest.mark.parametrize(
    "said",
    ['"cost":6e-06,', '{"cost":6e-6}', '\\":6e-06}', '\\\\":6e-6,"', ":6e-06,", '"a\\":6e-6}', '"":6e-06,'],
)
def test_what_a_text_says_of_numbers_stays_its_own(said: str) -> None:
    for write in (to_text, to_line):
        text = write({"content": said, said: said, "list": [said, 6e-06]})
        assert json.loads(text) == {"content": said, said: said, "list": [said, 6e-06]}


def usual(text: str) -> Any:
    """What the standard library reads; None if it is no JSON, or has numbers that JSON has not."""

    def refuse(_text: str) -> NoReturn:
        raise ValueError

    def finite(text: str) -> float:
        return float(text) if math.isfinite(float(text)) else refuse(text)

    try:
        return json.loads(text, parse_constant=refuse, parse_float=finite)
    except ValueError:
        return None


def decoded(data: bytes) -> str:
    """UTF-8 as text; empty, which is no JSON, for other bytes."""
    try:
        return data.decode()
    except ValueError:
        return ""


@given(TEXTS)
@example('{"a": 1, "b": 2, "a": 3}')
def test_what_is_read_is_what_the_standard_library_reads(text: str) -> None:
    data = text.encode(errors="surrogatepass")
    found = read(data)
    if found is not None:
        assert same(found[0], usual(decoded(data)))
    elif "\\u" not in text and not any(len(digits) > 18 for digits in _runs(text)):
        assert usual(decoded(data)) is None


def _runs(text: str) -> list[str]:
    return "".join(each if each.isdigit() else " " for each in text).split()


@given(TEXTS)
def test_a_body_is_read_as_the_standard_library_reads_it(text: str) -> None:
    data = text.encode(errors="surrogatepass")
    wanted = usual(decoded(data).removeprefix("\ufeff"))
    try:
        assert same(parse_json(data), wanted)
    except BadRequest:
        assert wanted is None


@given(TEXTS)
def test_an_answer_is_read_as_the_standard_library_reads_it(text: str) -> None:
    object_text = f'{{"a": {text}}}'
    for data in (
        object_text,
        object_text.encode(errors="surrogatepass"),
        object_text.encode("utf-16", "surrogatepass"),
    ):
        value, sound = read_json(data)
        try:
            wanted = json.loads(object_text)
        except ValueError:
            assert (value, sound) == (None, False)
        else:
            assert sound == (usual(object_text) is not None)
            assert not sound or same(value, wanted)
            json.dumps(value, allow_nan=False)


@pytest.mark.parametrize("levels", [MOST_LEVELS, MOST_LEVELS + 1, 1024, 1025])
def test_few_brackets_are_certainly_shallow(levels: int) -> None:
    found = read(b"[" * levels + b"]" * levels)
    assert found is None or found[1] == (levels <= MOST_LEVELS)
    assert (found is None) == (levels > 1024)
