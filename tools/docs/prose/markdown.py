"""The prose of a Markdown page, or of a comment or docstring, which are written like one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_FENCE = re.compile(r"^```.*?^```$", re.M | re.S)
_COMMENT = re.compile(r"<!--.*?-->", re.S)
_LINK = re.compile(r"!?\[([^\]]*)\](?:\([^)]*\)|\[[^\]]*\])")
_CODE = re.compile(r"`[^`\n]+`")
_ITEM = re.compile(r"^\s*(?:[-*]|\d+\.) ")


class Text(NamedTuple):
    """A piece of prose: a paragraph, an item of a list, a cell. `kind` is body, head (of a table) or title."""

    line: int
    kind: str
    text: str


def texts(markdown: str) -> Iterator[Text]:
    """The prose of a page, without code, links' addresses and comments; lines are the page's."""
    plain = _COMMENT.sub(_blank, _FENCE.sub(_blank, markdown))
    plain = re.sub(r"^\[[^\]]+\]: \S+$", "", plain, flags=re.M)
    plain = _CODE.sub(_placeholder, _LINK.sub(r"\1", plain)).replace("**", "").replace("*", "")
    lines = plain.splitlines()
    gathered, first = "", 0
    for number, line in enumerate([*lines, ""], 1):
        starts = not line.strip() or line.startswith(("#", "|")) or _ITEM.match(line)
        if starts and gathered:
            yield Text(first, "body", " ".join(gathered.split()))
            gathered = ""
        if line.startswith("#"):
            yield Text(number, "title", line.lstrip("# "))
        elif line.startswith("|"):
            under = lines[number] if number < len(lines) else ""
            kind = "head" if re.fullmatch(r"\|[-|: ]+\|", under.strip()) else "body"
            if not re.fullmatch(r"\|[-|: ]+\|", line.strip()):
                for cell in re.split(r"(?<!\\)\|", line.strip().strip("|")):
                    yield Text(number, kind, " ".join(cell.split()))
        elif line.strip():
            first = first if gathered else number
            gathered += " " + _ITEM.sub("", line)


def _blank(match: re.Match[str]) -> str:
    """As many lines, and nothing in them."""
    return "\n" * match[0].count("\n")


def _placeholder(match: re.Match[str]) -> str:
    """A word for a piece of code: another one for another length, since a repeated word is a finding."""
    return f"X{len(match[0])}"
