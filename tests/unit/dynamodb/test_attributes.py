"""A value comes back from its DynamoDB form as it was; whole numbers are int however they are written."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dynamodb.attributes import from_attribute, from_item, to_item

TEXT = st.text(max_size=8)
NUMBERS = st.integers(-(10**38), 10**38) | st.decimals(allow_nan=False, allow_infinity=False, places=3)
VALUES = st.recursive(
    st.none() | st.booleans() | TEXT | NUMBERS | st.sets(TEXT, min_size=1, max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(TEXT, VALUES, max_size=5))
def test_an_item_comes_back_as_it_was(values: dict[str, Any]) -> None:
    assert from_item(to_item(values)) == values


@pytest.mark.parametrize(
    ("written", "value"),
    [("0", 0), ("-5", -5), ("5.0", 5), ("1E+2", 100), ("1.5", Decimal("1.5")), ("-1E-30", Decimal("-1E-30"))],
)
def test_a_whole_number_is_an_int(written: str, value: Any) -> None:
    found = [from_item({"a": {"N": written}})["a"], from_attribute({"N": written}), *from_attribute({"NS": [written]})]
    assert found == [value] * 3
    assert {type(each) for each in found} == {type(value)}
