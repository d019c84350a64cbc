"""Compares bodies with the typed dictionaries of a vendor's own package: faults, and members that no type has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

_MOST = 5  # reported faults of one body: a union reports one for each of its types


def shape_faults(adapter: TypeAdapter[Any], value: Any) -> list[str]:
    """The faults, as texts that begin with a path."""
    try:
        read = _whole(adapter.validate_python(value))
    except ValidationError as error:
        return [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()][:_MOST]
    return list(_lost(value, read, ""))


def _whole(value: Any) -> Any:
    """The parsed value, including the lists that are read only when they are used."""
    if isinstance(value, Mapping):
        return {name: _whole(each) for name, each in value.items()}
    if isinstance(value, (Iterator, list, tuple)):
        return [_whole(each) for each in value]
    return value


def _lost(value: Any, read: Any, where: str) -> Iterator[str]:
    """Members that no type has."""
    if isinstance(value, Mapping) and isinstance(read, Mapping):
        for name, each in value.items():
            if name not in read:
                yield f"{where}{name}: Extra inputs are not permitted"
            else:
                yield from _lost(each, read[name], f"{where}{name}.")
    elif isinstance(value, list) and isinstance(read, list):
        for at, (each, other) in enumerate(zip(value, read, strict=True)):
            yield from _lost(each, other, f"{where}{at}.")
