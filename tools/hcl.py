"""Reads the structure of Terraform files: blocks and attributes, each expression as text. It evaluates nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_NAME = re.compile(r"[A-Za-z_][\w-]*")
_HEREDOC = re.compile(r"<<-?([A-Za-z_]\w*)\n.*?\n[ \t]*\1(?=\n|$)", re.S)
_COMMENT = re.compile(r"(#|//)[^\n]*|/\*.*?\*/", re.S)
_OPENING, _CLOSING = "([{", ")]}"


class HclError(ValueError):
    """The text has a form that this reader does not know."""


@dataclass(slots=True)
class Body:
    """`attributes`: name -> expression, on one line and without comments. `blocks` are in file order."""

    attributes: dict[str, str] = field(default_factory=dict)
    blocks: list[Block] = field(default_factory=list)

    def of(self, kind: str) -> Iterator[Block]:
        return (block for block in self.blocks if block.kind == kind)

    def lines(self, indent: str = "") -> Iterator[str]:
        """Attributes by name, then blocks in file order. Changes by `terraform fmt` or to comments don't show."""
        for name, expression in sorted(self.attributes.items()):
            yield f"{indent}{name} = {expression}"
        for block in self.blocks:
            yield indent + " ".join([block.kind, *(f'"{label}"' for label in block.labels)])
            yield from block.body.lines(indent + "  ")


@dataclass(slots=True)
class Block:
    kind: str
    labels: tuple[str, ...]
    body: Body


def read(path: Path) -> Body:
    """A file's blocks and attributes. Raises HclError."""
    try:
        reader = _Reader(path.read_text(encoding="utf-8"))
        return reader.body(top=True)
    except (HclError, IndexError) as error:
        raise HclError(f"{path}: {error}") from None


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def body(self, *, top: bool = False) -> Body:
        made = Body()
        while True:
            self._skip()
            if self.at == len(self.text):
                if not top:
                    raise HclError("a block does not end")
                return made
            if self.text[self.at] == "}" and not top:
                self.at += 1
                return made
            name = self._name()
            self._skip()
            if self.text[self.at] == "=" and self.text[self.at + 1] != "=":
                self.at += 1
                made.attributes[name] = self._expression()
            else:
                made.blocks.append(self._block(name))

    def _block(self, kind: str) -> Block:
        labels = []
        while self.text[self.at] != "{":
            labels.append(self._string().strip('"') if self.text[self.at] == '"' else self._name())
            self._skip()
        self.at += 1
        return Block(kind, tuple(labels), self.body())

    def _name(self) -> str:
        match = _NAME.match(self.text, self.at)
        if not match:
            raise HclError(f"no name at line {self.text.count(chr(10), 0, self.at) + 1}")
        self.at = match.end()
        return match[0]

    def _skip(self) -> None:
        while self.at < len(self.text):
            if self.text[self.at].isspace():
                self.at += 1
            elif match := _COMMENT.match(self.text, self.at):
                self.at = match.end()
            else:
                return

    def _expression(self) -> str:
        """The text up to the first line end outside all brackets."""
        parts: list[str] = []
        depth = 0
        while self.at < len(self.text):
            here = self.text[self.at]
            if here == '"':
                parts.append(self._string())
                continue
            if (match := _HEREDOC.match(self.text, self.at)) or (match := _COMMENT.match(self.text, self.at)):
                parts.append(repr(match[0]) if match[0].startswith("<<") else "")
                self.at = match.end()
                continue
            if depth == 0 and here in "\n}":
                break
            depth += (here in _OPENING) - (here in _CLOSING)
            parts.append(" " if here.isspace() else here)
            self.at += 1
        return _one_line(parts)

    def _string(self) -> str:
        start = self.at
        self.at += 1
        while self.text[self.at] != '"':
            if self.text[self.at] == "\\":
                self.at += 2
            elif self.text.startswith(("${", "%{"), self.at) and not self.text.startswith(("$${", "%%{"), self.at - 1):
                self.at += 2
                self._template()
            else:
                self.at += 1
        self.at += 1
        return self.text[start : self.at]

    def _template(self) -> None:
        depth = 1
        while depth:
            here = self.text[self.at]
            if here == '"':
                self._string()
                continue
            depth += (here == "{") - (here == "}")
            self.at += 1


def _one_line(parts: list[str]) -> str:
    """Collapse each run of blanks outside strings into one blank."""
    kept: list[str] = []
    for part in parts:
        if part != " " or (kept and kept[-1] != " "):
            kept.append(part)
    return "".join(part for part in kept if part).strip()
