"""What pydantic says in words of Python, said in words of JSON."""

from __future__ import annotations

import re

_REASONS = {
    "missing": "is required",
    "extra_forbidden": "is unknown",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "dataclass_type": "must be an object",
    "dict_type": "must be an object",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "string_type": "must be text",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "float_type": "must be a number",
    "date_type": "must be a date such as 2027-12-31",
    "date_parsing": "must be a date such as 2027-12-31",
    "datetime_type": "must be a time such as 2027-01-31T00:00:00Z",
    "datetime_parsing": "must be a time such as 2027-01-31T00:00:00Z",
    "datetime_from_date_parsing": "must be a time such as 2027-01-31T00:00:00Z",
}
_SUBJECT = re.compile(r"^[A-Z][a-z]+(?: input)? should ")
_COUNTED = re.compile(r" after validation, not \d+$")


def reason(kind: str, message: str) -> str:
    """Of a type of pydantic's errors and its message."""
    said = _SUBJECT.sub("must ", message.removeprefix("Value error, "))
    return _REASONS.get("date_type" if kind.startswith("date_from") else kind) or _COUNTED.sub("", said)
