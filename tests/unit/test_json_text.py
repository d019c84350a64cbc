"""The text that is written is the one that json.dumps writes, byte for byte."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.json_text import writer

ANY_TEXT = st.text(st.characters(codec=None, categories=None))  # half surrogate pairs too: clients send them
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=20,
)
WRITERS = {ascii_only: writer(ascii_only=ascii_only) for ascii_only in (True, False)}


@given(VALUES, st.booleans())
def test_any_value_is_written_as_json_dumps_writes_it(value: Any, ascii_only: bool) -> None:
    assert WRITERS[ascii_only](value) == json.dumps(value, separators=(",", ":"), ensure_ascii=ascii_only)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_json_has_not_is_refused_where_that_is_asked_for(number: float) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        writer(allow_nan=False)({"a": [number]})


def test_what_json_has_not_is_told_by_the_default_or_refused() -> None:
    assert writer(default=str)({"a": {1}}) == '{"a":"{1}"}'
    with pytest.raises(TypeError):
        writer()({"a": {1}})


SMALL = [
    (6e-06, "0.000006"),
    (1.23e-05, "0.0000123"),
    (-2.5e-07, "-0.00000025"),
    (0.0001, "0.0001"),
    (0.0, "0.0"),
    (123456789.25, "123456789.25"),
]


@pytest.mark.parametrize(("number", "told"), SMALL)
def test_money_is_told_in_plain_decimals(number: float, told: str) -> None:
    text = writer(decimals=True)({"cost": number, "of": {"total": number}})
    assert text == f'{{"cost":{told},"of":{{"total":{told}}}}}'
    assert json.loads(text) == {"cost": number, "of": {"total": number}}


@given(VALUES, st.booleans())
def test_plain_decimals_change_no_value_and_no_text(value: Any, ascii_only: bool) -> None:
    document = {"cost": 6e-06, "value": value}
    text = writer(ascii_only=ascii_only, decimals=True)(document)
    assert json.dumps(json.loads(text)) == json.dumps(json.loads(json.dumps(document)))


@pytest.mark.parametrize(
    "said", ['"cost":6e-06,', '{"cost":6e-06}', '\\":6e-06}', '\\\\":6e-06,"', ":6e-06,", '"a\\":6e-06}', '"":6e-06,']
)
def test_what_a_text_says_of_numbers_stays_its_own(said: str) -> None:
    text = writer(decimals=True)({"content": said, said: said, "list": [said, 6e-06]})
    assert json.loads(text) == {"content": said, said: said, "list": [said, 6e-06]}
    assert text.endswith(",6e-06]}")
