"""Converts plain Python values to DynamoDB attribute values and back; whole numbers are int, not Decimal."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

AttributeValue = dict[str, Any]
Item = dict[str, Any]


def to_attribute(value: Any) -> AttributeValue:
    """The attribute value of a str, number, bool, None, list, mapping or set of str. Raises TypeError for others."""
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case str():
            return {"S": value}
        case int() | Decimal():
            return {"N": str(value)}
        case Mapping():
            return {"M": to_item(value)}
        case set() | frozenset():
            return {"SS": sorted(value)}
        case list() | tuple():
            return {"L": [to_attribute(part) for part in value]}
        case _:
            raise TypeError(f"no DynamoDB form for {type(value).__name__}")


def from_attribute(attribute: Mapping[str, Any]) -> Any:
    """The inverse of `to_attribute`. Whole numbers become int, others Decimal; sets become sets."""
    ((kind, value),) = attribute.items()
    if kind == "S":
        return value
    if kind == "N":
        return _number(value)
    match kind:
        case "NULL":
            return None
        case "BOOL" | "B":
            return value
        case "M":
            return from_item(value)
        case "L":
            return [from_attribute(part) for part in value]
        case "SS" | "BS":  # bytes stay in base64
            return set(value)
        case "NS":
            return {_number(part) for part in value}
        case _:
            raise TypeError(f"unknown DynamoDB type {kind}")


def to_item(values: Mapping[str, Any]) -> dict[str, AttributeValue]:
    return {
        # Almost all values are text and numbers: handled here, they cost no call each.
        name: {"S": value} if type(value) is str else {"N": str(value)} if type(value) is int else to_attribute(value)
        for name, value in values.items()
    }


def from_item(item: Mapping[str, Any]) -> Item:
    values: Item = {}
    for name, attribute in item.items():
        # Handled here as in `to_item`, and asked for by name: that costs half of taking the only member.
        if "N" in attribute:
            try:
                values[name] = int(attribute["N"])
            except ValueError:
                values[name] = _number(attribute["N"])
        elif "S" in attribute:
            values[name] = attribute["S"]
        else:
            values[name] = from_attribute(attribute)
    return values


def size_of(item: Mapping[str, Any]) -> int:
    """The most bytes that an item of plain values takes in its table, by DynamoDB's rules for items and types."""
    return sum(len(name.encode()) + _value_size(value) for name, value in item.items())


def _value_size(value: Any) -> int:
    match value:
        case None | bool():
            return 1
        case str():
            return len(value.encode())
        case int() | Decimal():
            return (len(str(value)) + 1) // 2 + 2
        case set() | frozenset():
            return sum(map(_value_size, value))
        case Mapping():
            return 3 + len(value) + size_of(value)
        case list() | tuple():
            return 3 + len(value) + sum(map(_value_size, value))
        case _:
            raise TypeError(f"no DynamoDB form for {type(value).__name__}")


def _number(text: str) -> int | Decimal:
    number = Decimal(text)
    return int(number) if number == number.to_integral_value() else number
