"""Markdown's tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table, without columns that are empty in every row."""
    rows = list(rows)
    filled = [at for at in range(len(head)) if not rows or any(row[at] for row in rows)]
    head, rows = [head[at] for at in filled], [[row[at] for at in filled] for row in rows]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def code(text: str) -> str:
    """Text as code in a cell; none if it is empty."""
    return f"`{text.replace('|', chr(92) + '|')}`" if text else ""


def one_line(text: str) -> str:
    """Prose in a cell."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
