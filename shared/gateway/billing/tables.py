"""Reports as CSV. Callers choose the names in them, and a spreadsheet treats a cell that begins like a formula as
one."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

# A dangerous cell begins with characters that are not seen (blanks of any script, fillers, marks of direction and
# order, quotes), followed by a sign, of normal or full width, that makes it a formula. In some spreadsheets a
# semicolon, a tab or a line's end starts the next cell.
_UNSEEN = (
    r"[\s\"'\x00-\x1f\x7f-\xa0\xad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f"
    r"\u205f-\u206f\u2800\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e0fff]*"
)
_SIGN = r"[=+\-@;\uff1d\uff0b\uff0d\uff20\uff1b\u2212\ufe62\ufe63\ufe66\ufe6b]"
_BREAK = r"[;\uff1b\t\r\n\x0b\x0c\x85\u2028\u2029]"
_FORMULA = re.compile(rf"[\t\r\n]|{_UNSEEN}{_SIGN}")
_LATER = re.compile(rf"(?<={_BREAK})(?={_UNSEEN}{_SIGN})")


def guarded(text: str) -> str:
    """Text for a cell that no spreadsheet treats as a formula, whichever character separates its cells."""
    inside = _LATER.sub("'", text)
    return f"'{inside}" if _FORMULA.match(text) else inside


def dollars(micro: int) -> Decimal:
    """Micro-dollars as a number of dollars for a cell, with six decimals: exact, and never in exponent notation."""
    return Decimal(micro).scaleb(-6)


def table(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """CSV with a header. Text is guarded; numbers stay numbers, even negative ones; None is an empty cell."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([_cell(row.get(name)) for name in columns] for row in rows)
    return out.getvalue()


def _cell(value: Any) -> Any:
    return guarded(value) if isinstance(value, str) else value
