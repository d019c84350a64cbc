"""`python -m tools.docs.prose [PAGE ...]`: the habits that make our sentences hard to read, found in the documents.

The rules are in prose.json, each with what to write instead. proselint's own checks run as well, if it is installed
(`make prose`). Pages that are `clean` must have no finding; all others together may have `elsewhere` at most, which
only ever goes down.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parent.parent.parent
RULES: Mapping[str, Any] = json.loads((Path(__file__).parent / "prose.json").read_text(encoding="utf-8"))
_FENCE = re.compile(r"^```.*?^```$", re.M | re.S)
_COMMENT = re.compile(r"<!--.*?-->", re.S)
_LINK = re.compile(r"!?\[([^\]]*)\](?:\([^)]*\)|\[[^\]]*\])")
_CODE = re.compile(r"`[^`\n]+`")
_SENTENCE_END = re.compile(r"(?:(?<=[.!?:;])|(?<=[.!?]\))) (?=\(?[A-Z*`\"])| · ")
_ITEM = re.compile(r"^\s*(?:[-*]|\d+\.) ")


class Text(NamedTuple):
    """A piece of prose: a paragraph, an item of a list, a cell. `kind` is body, head (of a table) or title."""

    line: int
    kind: str
    text: str


class Finding(NamedTuple):
    page: str
    line: int
    rule: str
    text: str
    say: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}: {self.rule}: {self.text!r} ({self.say})"


def _blank(match: re.Match[str]) -> str:
    """As many lines, and nothing in them."""
    return "\n" * match[0].count("\n")


def _placeholder(match: re.Match[str]) -> str:
    """A word for a piece of code: another one for another length, since a repeated word is a finding."""
    return f"X{len(match[0])}"


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


def findings(page: str, markdown: str) -> Iterator[Finding]:
    for piece in texts(markdown):
        for name, rule in RULES["rules"].items():
            if piece.kind == "title" or (piece.kind == "head") != (rule.get("in") == "head"):
                continue
            for found in _found(rule, piece.text):
                yield Finding(page, piece.line, name, found, rule["say"])


def _found(rule: Mapping[str, Any], text: str) -> Iterator[str]:
    if "pattern" in rule:
        for match in re.finditer(rule["pattern"], text):
            yield match[0][:80].strip()
    else:
        for sentence in _SENTENCE_END.split(text):
            if len(sentence.split()) > rule.get("words", 10_000):
                yield f"{len(sentence.split())} words: {sentence[:60]}..."
            if sentence.count(";") >= rule.get("semicolons", 10_000):
                yield f"{sentence[:60]}..."


def _by_proselint(page: str, markdown: str) -> Iterator[Finding]:
    try:
        from proselint.checks import __register__
        from proselint.registry import CheckRegistry
        from proselint.tools import LintFile
    except ImportError:
        return
    registry = CheckRegistry()
    if not registry.checks:
        registry.register_many(__register__)
    config: Any = {"max_errors": 1_000, "checks": RULES["proselint"]}
    for piece in texts(markdown):
        if piece.text:
            for result in LintFile("page", piece.text).lint(config):
                yield Finding(
                    page, piece.line, result.check_result.check_path, piece.text[:60], result.check_result.message
                )


def pages(names: Iterable[str]) -> Iterator[str]:
    """Paths of pages, relative to the repository; a folder stands for all in it."""
    for name in names:
        path = ROOT / name
        yield from (
            sorted(each.relative_to(ROOT).as_posix() for each in path.rglob("*.md")) if path.is_dir() else [name]
        )


def main(names: list[str]) -> int:
    found = []
    for page in pages(names or RULES["pages"]):
        markdown = (ROOT / page).read_text(encoding="utf-8")
        found += [*findings(page, markdown), *_by_proselint(page, markdown)]
    must_be_clean = [each for each in found if any(fnmatch(each.page, glob) for glob in RULES["clean"])]
    elsewhere = len(found) - len(must_be_clean)
    for each in found if names else must_be_clean:
        print(each)
    by_rule = ", ".join(f"{rule} {count}" for rule, count in Counter(each.rule for each in found).most_common())
    print(f"{len(must_be_clean)} findings in pages that are clean, {elsewhere} elsewhere. {by_rule}")
    too_many = not names and elsewhere > RULES["elsewhere"]
    if too_many:
        print(f"Elsewhere {RULES['elsewhere']} are allowed (prose.json). Name a page to see all of its findings.")
    return int(bool(must_be_clean) or too_many)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
