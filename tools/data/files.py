"""An export: parts of a table's items, a line an item as DynamoDB writes them, each part with its checksum.

A folder holds `part-00001.jsonl.gz` and so on, and `parts.jsonl`, a line for each complete part: its items, SHA-256 and
where the next one begins. An export that was cut off goes on from the last line; a part without a line is made again.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

Item = dict[str, Any]
_INDEX = "parts.jsonl"


class Damaged(Exception):
    """An export that is not whole, or not what was written; the message says what and where."""


@dataclass(frozen=True, slots=True)
class Part:
    """`following`: the key that the next part begins after; None in the last one. `sum`: of its items, in any order."""

    file: str
    items: int
    sha256: str
    sum: str
    following: Item | None


class Export:
    """An export in a folder, which may be there in part."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def parts(self) -> list[Part]:
        """Those that are whole. The index's last line may have been cut off: then its part is not."""
        index = self.folder / _INDEX
        lines = index.read_text(encoding="utf-8").splitlines(keepends=True) if index.is_file() else []
        return [Part(**json.loads(line)) for line in lines if line.endswith("\n")]

    def add(self, items: list[Item], following: Item | None) -> Part:
        """Write the next part, then its line."""
        known = self.parts()
        name = f"part-{len(known) + 1:05d}.jsonl.gz"
        text = "".join(line_of(item) + "\n" for item in items).encode()
        data = gzip.compress(text, mtime=0)
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_bytes(data)
        part = Part(name, len(items), hashlib.sha256(data).hexdigest(), hex(sum_of(items)), following)
        index = "".join(json.dumps(asdict(each)) + "\n" for each in [*known, part])
        scratch = self.folder / f"{_INDEX}.new"
        scratch.write_text(index, encoding="utf-8")
        scratch.replace(self.folder / _INDEX)
        return part

    def whole(self) -> list[Part]:
        """All parts of an export that was ended. Raises Damaged."""
        parts = self.parts()
        if not parts or parts[-1].following is not None:
            raise Damaged(f"{self.folder} holds no whole export: run the export again, it goes on where it ended.")
        return parts

    def items(self, part: Part) -> Iterator[Item]:
        """The items of a part, once its checksum was compared. Raises Damaged."""
        data = (self.folder / part.file).read_bytes()
        if hashlib.sha256(data).hexdigest() != part.sha256:
            raise Damaged(f"{self.folder / part.file} is not what was exported: its checksum differs.")
        for line in gzip.decompress(data).splitlines():
            yield json.loads(line)["Item"]


def line_of(item: Item) -> str:
    """An item as one line, the same for the same item: members of objects and of sets in order."""
    return json.dumps({"Item": _ordered(item)}, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def sum_of(items: Iterator[Item] | list[Item]) -> int:
    """A sum that does not hang on the order of items: of two tables that have the same ones it is the same."""
    total = 0
    for item in items:
        total += int.from_bytes(hashlib.sha256(line_of(item).encode()).digest(), "big")
    return total % 2**256


def _ordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: sorted(each) if name in ("SS", "NS", "BS") and isinstance(each, list) else _ordered(each)
            for name, each in value.items()
        }
    return [_ordered(each) for each in value] if isinstance(value, list) else value
