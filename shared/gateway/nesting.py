"""How deep a JSON value may be: what is read at one depth of calls may be too deep to copy or write at another."""

from __future__ import annotations

from typing import Any, Final

MOST_LEVELS: Final = 100


def is_shallow_text(text: str) -> bool:
    """Whether JSON text has too few brackets to hold so many levels. Of what has more, `is_shallow` knows."""
    return text.count("{") + text.count("[") <= MOST_LEVELS


def is_shallow(value: Any, most: int = MOST_LEVELS) -> bool:
    """Whether a JSON value has at most so many levels of objects and lists. Needs no recursion itself."""
    level = [value] if isinstance(value, (dict, list)) else []
    for _ in range(most):
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, (dict, list))
        ]
        if not level:
            return True
    return False
