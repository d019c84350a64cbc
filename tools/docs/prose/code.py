"""The prose in code: docstrings, comments, and the strings that somebody reads, such as errors and descriptions."""

from __future__ import annotations

import ast
import io
import json
import re
import tokenize
from collections.abc import Iterator

from tools.docs.prose.markdown import Text, texts

_MARKER = re.compile(r"#!|#\s*(?:noqa|type:|pragma|mypy:|ruff:|fmt:|nosec|syntax=)")
_WORD = re.compile(r"[(\"']?[A-Za-z][A-Za-z'-]*[.,:;!?)\"']*")
_FUNCTION_WORD = re.compile(
    r"\b(?:a|an|and|are|as|at|be|by|can|for|has|in|is|it|may|must|no|not|of|on|or|the|to|was|with)\b", re.I
)
_LISTED = re.compile(
    r"^(?:[│├└][│├└─ ]*|checkov:skip=\w+:| *(?=\S+(?: \S+)* {3,}\S)|(?=[a-z_]+(?:, [a-z_]+)*: ))", re.M
)
_HCL = re.compile(r'"(?P<string>(?:\\.|\$\{[^}]*\}|[^"\\\n])*)"|(?P<comment>(?:#|//)[^\n]*)|/\*.*?\*/', re.S)
_LINES = re.compile(r"^[ \t]*(?P<comment>#[^\n]*)|(?<=[ \t])(?P<help>## [^\n]*)", re.M)


def python(source: str, *, strings: bool = True) -> Iterator[Text]:
    """A module's docstrings and comments, and its strings of several words. A value in an f-string is one word."""
    tree = ast.parse(source)
    docstrings = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                docstrings.add(first.value)
    yield from _comments(_python_comments(source))
    parts = {each for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for each in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in parts:
            if node in docstrings or (strings and is_prose(node.value)):
                yield from _within(node.lineno, _dedented(node.value))
        elif isinstance(node, ast.JoinedStr) and strings and is_prose(joined := _joined(node)):
            yield from _within(node.lineno, _dedented(joined))


def terraform(source: str) -> Iterator[Text]:
    """The comments and strings of Terraform's language."""
    comments = []
    for match in _HCL.finditer(source):
        line = source.count("\n", 0, match.start()) + 1
        begins = source.rfind("\n", 0, match.start()) + 1
        if comment := match["comment"]:
            comments.append((line, not source[begins : match.start()].strip(), match.start() - begins, comment))
        elif is_prose(string := re.sub(r"\$\{[^}]*\}", "X1", match["string"] or "")):
            yield from _within(line, string.replace('\\"', '"'))
    yield from _comments(iter(comments))


def lines(source: str) -> Iterator[Text]:
    """The comments of a file whose comments begin with a hash, and the help of Make's targets."""
    found = []
    for match in _LINES.finditer(source):
        line = source.count("\n", 0, match.start()) + 1
        begins = source.rfind("\n", 0, match.start()) + 1
        text = match["comment"] or match["help"]
        found.append((line, match["help"] is None, match.end() - len(text) - begins, text))
    yield from _comments(iter(found))


def json_strings(source: str) -> Iterator[Text]:
    """The values of a JSON document that are sentences. Equal ones are reported where the first of them is."""
    seen: set[str] = set()

    def walk(value: object) -> Iterator[str]:
        if isinstance(value, dict):
            for each in value.values():
                yield from walk(each)
        elif isinstance(value, list):
            for each in value:
                yield from walk(each)
        elif isinstance(value, str) and is_prose(value) and value not in seen:
            seen.add(value)
            yield value

    for text in walk(json.loads(source)):
        at = max(source.find(json.dumps(text)), source.find(json.dumps(text, ensure_ascii=False)), 0)
        line = source.count("\n", 0, at) + 1
        yield from (Text(line, "body", each.text) for each in texts(text))


def is_prose(text: str) -> bool:
    """Whether a string is a sentence: four words or more, most of it is words, and one is a word like "the" or "is"."""
    pieces = text.split()
    words = sum(1 for piece in pieces if _WORD.fullmatch(piece))
    return words >= 4 and words >= 0.6 * len(pieces) and bool(_FUNCTION_WORD.search(text))


def _python_comments(source: str) -> Iterator[tuple[int, bool, int, str]]:
    """Each comment: its line, whether it is alone there, its column and its text."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            line, column = token.start
            yield line, not token.line[:column].strip(), column, token.string


def _comments(found: Iterator[tuple[int, bool, int, str]]) -> Iterator[Text]:
    """Lines that follow each other in one column, with nothing but a comment, are one paragraph or list."""
    first, before, gathered = 0, (-1, -1), ""
    for line, alone, column, text in found:
        if _MARKER.match(text):
            continue
        if gathered and not (alone and before == (line - 1, column)):
            yield from _within(first, gathered)
            gathered = ""
        first = first if gathered else line
        gathered += re.sub(r"^(?:#+|//+)[ \t]?", "", text) + "\n"
        before = (line, column if alone else -1)
    yield from _within(first, gathered)


def _within(first: int, markdown: str) -> Iterator[Text]:
    """Its pieces, with lines of the file. A line of a tree or a table, or one after a name, is an item of a list."""
    return (each._replace(line=each.line + first - 1) for each in texts(_LISTED.sub("- ", markdown)))


def _dedented(text: str) -> str:
    """A docstring without its indentation, on as many lines. Blocks that are indented further are examples."""
    first, *rest = text.expandtabs().split("\n")
    margin = min((len(line) - len(line.lstrip()) for line in rest if line.strip()), default=0)
    kept = [first.strip(), *(line[margin:] for line in rest)]
    return "\n".join("" if line.startswith(("    ", ">>>")) else line for line in kept)


def _joined(node: ast.JoinedStr) -> str:
    """The text of an f-string: a value is one word, and a different one from its neighbour."""
    text = ""
    for number, part in enumerate(node.values):
        constant = isinstance(part, ast.Constant) and isinstance(part.value, str)
        text += str(part.value) if constant and isinstance(part, ast.Constant) else f"X{number}"
    return text
