"""Cells of CSV: every spreadsheet reads names that callers chose as text, and numbers as numbers."""

import csv
import io
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.billing.tables import dollars, guarded, table

FORMULAS = ["=1+1", "+1", "-1+2", "@SUM(A1)", "\uff1d1+1", "\uff0b1", "\uff0d1", "\uff201", "\u22121", "\ufe631"]
BEFORE = ["", " ", "\u00a0", "\u3000", "\ufeff", "\u200b", "\u202e", "\t", "\r", "\n", '"', "'", ' \t"']
BEFORE += ["\u034f", "\u061c", "\u115f", "\u1160", "\u17b4", "\u180b", "\u2800", "\ufe0f", "\uffa0", "\U000e0001"]


@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize("before", BEFORE)
def test_no_text_is_a_formula_whatever_stands_before_it(formula: str, before: str) -> None:
    cell = guarded(before + formula)
    assert cell.startswith("'")
    assert cell.replace("'", "") == (before + formula).replace("'", "")


@pytest.mark.parametrize("text", [";=1", ";x", "\uff1b=1", "\tx", "\rx"])
def test_no_text_begins_a_cell_of_its_own(text: str) -> None:
    assert guarded(text).startswith("'")


@pytest.mark.parametrize("end", ["\x0b", "\x0c", "\x85", "\u2028", "\u2029"])
def test_no_line_within_a_cell_begins_with_a_formula(end: str) -> None:
    assert guarded(f"a{end}=1") == f"a{end}'=1"


@given(st.text(alphabet="=+-@;\t\r\n\" 'ab\u3000\uff1d\uff0d,", max_size=12))
def test_no_part_that_a_spreadsheet_may_take_for_a_cell_is_a_formula(text: str) -> None:
    cell = guarded(text)
    assert cell.replace("'", "") == text.replace("'", "")
    for separator in (";", "\t", "\r", "\n"):
        for part in cell.split(separator):
            shown = unicodedata.normalize("NFKC", part.lstrip(' \t\r\n"\u3000'))
            assert shown[:1] not in ("=", "+", "-", "@")


FILLERS = "\u115f\u1160\u3164\uffa0"  # invisible, but letters by their category


@given(st.text(alphabet=st.characters(categories=["L", "Nd"], exclude_characters=FILLERS), max_size=20))
def test_a_plain_name_is_left_alone(text: str) -> None:
    assert guarded(text) == text
    assert guarded(f"{text}-{text}") == (f"'-{text}" if not text else f"{text}-{text}")


def test_numbers_stay_numbers() -> None:
    text = table(["a", "b", "c", "d"], [{"a": -1, "b": dollars(-1_250_000), "c": dollars(1), "d": None}, {"a": "-1"}])
    assert text == "a,b,c,d\r\n-1,-1.250000,0.000001,\r\n'-1,,,\r\n"
    assert dollars(0) == 0
    assert str(dollars(0)) == "0.000000"


@given(st.lists(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=8), min_size=2, max_size=4))
def test_what_is_written_is_read_back(cells: list[str]) -> None:
    columns = [str(number) for number in range(len(cells))]
    text = table(columns, [dict(zip(columns, cells, strict=True))])
    _, read = csv.reader(io.StringIO(text, newline=""))
    assert read == [guarded(cell) for cell in cells]
