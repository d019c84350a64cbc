"""Changes to a document as JSON merge patches (RFC 7396)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def merge_patch(document: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """RFC 7396: objects merge, null removes, anything else replaces."""
    merged = dict(document)
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, Mapping):
            below = merged.get(name)
            merged[name] = merge_patch(below if isinstance(below, Mapping) else {}, value)
        else:
            merged[name] = value
    return merged


def composed(older: Mapping[str, Any], newer: Mapping[str, Any]) -> dict[str, Any]:
    """One merge patch that does the same as two in a row. Unlike in a merge, nulls stay, because they remove a
    default."""
    both = dict(older)
    for name, value in newer.items():
        below = both.get(name)
        both[name] = composed(below, value) if isinstance(value, Mapping) and isinstance(below, Mapping) else value
    return both


def effective_patch(patch: Mapping[str, Any], document: Mapping[str, Any]) -> dict[str, Any]:
    """The patch without the parts that change nothing in the document: nulls for names that are not there, and empty
    objects for objects that are. The result has at most as many nulls as the document has names."""
    kept: dict[str, Any] = {}
    for name, value in patch.items():
        below = document.get(name)
        if isinstance(value, Mapping):
            inner = effective_patch(value, below if isinstance(below, Mapping) else {})
            if inner or not isinstance(below, Mapping):  # an empty object creates one that is not there
                kept[name] = inner
        elif value is not None or name in document:
            kept[name] = value
    return kept
