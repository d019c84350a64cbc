"""The rules of tools/docs/prose.json, and proselint's own checks, asked about pieces of prose."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

from tools.docs.prose.markdown import Text

RULES: Mapping[str, Any] = json.loads((Path(__file__).parent.parent / "prose.json").read_text(encoding="utf-8"))
_PATTERNS = {name: re.compile(rule["pattern"]) for name, rule in RULES["rules"].items() if "pattern" in rule}
_SENTENCE_END = re.compile(r"(?:(?<=[.!?:;])|(?<=[.!?]\))) (?=\(?[A-Z*`\"])| · ")
_QUOTE = re.compile("[\"\u2018\u2019\u201c\u201d]|\\B'|'\\B")
_BETWEEN = "\n\n|\n\n"  # no check of proselint reads over it


class Finding(NamedTuple):
    page: str
    line: int
    rule: str
    text: str
    say: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}: {self.rule}: {self.text!r} ({self.say})"


def findings(page: str, pieces: Sequence[Text]) -> Iterator[Finding]:
    """What our own rules find in a page's pieces."""
    for piece in pieces:
        for name, rule in RULES["rules"].items():
            if piece.kind == "title" or (piece.kind == "head") != (rule.get("in") == "head"):
                continue
            for found in _found(name, rule, piece.text):
                yield Finding(page, piece.line, name, found, rule["say"])


def _found(name: str, rule: Mapping[str, Any], text: str) -> Iterator[str]:
    if name in _PATTERNS:
        for match in _PATTERNS[name].finditer(text):
            yield match[0][:80].strip()
    else:
        for sentence in _SENTENCE_END.split(text):
            if len(sentence.split()) > rule.get("words", 10_000):
                yield f"{len(sentence.split())} words: {sentence[:60]}..."
            if sentence.count(";") >= rule.get("semicolons", 10_000):
                yield f"{sentence[:60]}..."


def by_proselint(read: Mapping[str, Sequence[Text]]) -> Iterator[Finding]:
    """What proselint finds in the pieces of all pages; nothing if it is not installed.

    Its hundred checks are slow to begin and fast to go on. So they read all pages as one text first, without quotation
    marks, which they would trust over the end of a piece; then each piece in which there may be something, alone.
    """
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
    pieces = [(page, piece) for page, found in read.items() for piece in found if piece.text]
    parts = [_QUOTE.sub(" ", piece.text) + _BETWEEN for _, piece in pieces]
    starts = [0, *accumulate(map(len, parts))][:-1]
    doubtful: set[int] = set()
    for check in registry.get_all_enabled(config["checks"]):
        for result in check.check("".join(parts)):
            doubtful |= {bisect_right(starts, place) - 1 for place in result.span}
    for number in sorted(doubtful - {-1}):
        page, piece = pieces[number]
        for result in LintFile("page", piece.text).lint(config):
            found = result.check_result
            yield Finding(page, piece.line, found.check_path, piece.text[:60], found.message)
