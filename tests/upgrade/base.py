"""A base: everything that a release stored and answered, and its code, as they are committed. It is written once and
then only read."""

from __future__ import annotations

import io
import json
import lzma
import tarfile
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.upgrade.life import Keys, Life
from tests.upgrade.questions import Question, answered
from tests.upgrade.world import Items, World, moto, world
from tools.local.emulator import ROOT

FOLDER = Path(__file__).parent / "bases"
_PACKED = ("functions/**/*.py", "functions/*/function.json", "shared/**/*.py", "shared/**/*.json")


@dataclass(frozen=True)
class Base:
    """`now`: the time at which the life ended, in seconds since the epoch. `environment`: variables of its functions,
    with placeholders for values that belong to a single run."""

    name: str
    now: float
    items: Items
    keys: Keys
    ids: Keys
    questions: list[Question]
    environment: dict[str, str]

    @classmethod
    def read(cls, name: str) -> Base:
        kept = json.loads((FOLDER / name / "stored.json").read_text(encoding="utf-8"))
        items = {table: [json.loads(line) for line in lines] for table, lines in kept.pop("items").items()}
        questions = [json.loads(line) for line in kept.pop("questions")]
        return cls(items=items, questions=questions, **kept)

    def unpacked(self, out: Path) -> Path:
        """Unpacks the base's code into this folder."""
        packed = lzma.decompress((FOLDER / self.name / "code.tar.xz").read_bytes())
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            archive.extractall(out, filter="data")
        return out


def names() -> list[str]:
    """The existing bases, oldest first."""
    found = [path.name for path in FOLDER.iterdir() if path.is_dir()] if FOLDER.is_dir() else []
    return sorted(found, key=lambda name: [int(part) for part in name.split(".")])


def write(name: str) -> Path:
    """Writes a base of the current code, with a life of it."""
    folder = FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        here = stack.enter_context(world(stack.enter_context(moto()), "base"))
        lived, questions = life_of(here, ROOT)
        kept: dict[str, Any] = {"name": name, "now": here.clock.now, "environment": here.portable()}
        kept |= {"keys": lived.keys, "ids": lived.ids, "questions": _lines(questions)}
        kept["items"] = {table: _lines(stored) for table, stored in here.items().items()}
    (folder / "stored.json").write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / "code.tar.xz").write_bytes(_packed())
    return folder


def life_of(here: World, root: Path) -> tuple[Life, list[Question]]:
    """A life of a version in empty tables, and its answers at the end."""
    lived = Life(here, here.version(root))
    lived.lived()
    return lived, answered(lived)


def _lines(objects: Iterable[Any]) -> list[str]:
    """One object a line, so that a change can be seen. The order of members is kept, because bodies are sent again byte
    by byte."""
    return [json.dumps(each, ensure_ascii=False) for each in objects]


def _packed() -> bytes:
    """The code as an archive, with the same bytes for the same code."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for path in sorted({path for pattern in _PACKED for path in ROOT.glob(pattern)}):
            facts = tarfile.TarInfo(path.relative_to(ROOT).as_posix())
            data = path.read_bytes()
            facts.size, facts.mode = len(data), 0o644
            archive.addfile(facts, io.BytesIO(data))
    return lzma.compress(out.getvalue(), preset=9 | lzma.PRESET_EXTREME)
