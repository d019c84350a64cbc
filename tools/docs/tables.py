"""Markdown's tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def code(text: str) -> str:
    """Text as code in a cell; none if it is empty."""
    return f"`{text.replace('|', chr(92) + '|')}`" if text else ""


def one_line(text: str) -> str:
    """Prose in a cell."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
