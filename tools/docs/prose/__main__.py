"""`python -m tools.docs.prose [FILE ...]`: finds the habits that make sentences hard to read, in documents and code.

tools/docs/prose.json has the rules, each with a better way to write, and the files that are read. No file may have a
finding, except in the folders that are `allowed` a number of them, which may only fall. proselint's own checks run as
well, if it is installed (`make prose`).
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from tools.docs.prose import code
from tools.docs.prose.markdown import Text, texts
from tools.docs.prose.rules import RULES, Finding, by_proselint, findings

ROOT = Path(__file__).parent.parent.parent.parent
_READERS: dict[str, Callable[[str], Iterator[Text]]] = {
    ".md": texts,
    ".py": code.python,
    ".json": code.json_strings,
    **dict.fromkeys((".tf", ".hcl", ".tfvars"), code.terraform),
    **dict.fromkeys((".mk", ".sh", ".toml", ".yml", ".in", "Makefile", "Dockerfile"), code.lines),
}


def files(names: Iterable[str]) -> Iterator[str]:
    """The files that can be read, relative to the repository; a folder stands for all in it."""
    for name in names:
        paths = sorted((ROOT / name).rglob("*")) if (ROOT / name).is_dir() else [ROOT / name]
        for path in paths:
            file = path.relative_to(ROOT).as_posix()
            if _reader(path) and path.is_file() and not any(file.startswith(each) for each in RULES["generated"]):
                yield file


def pieces(file: str) -> list[Text]:
    """The prose of a file. In a test, the strings are what it sends or expects, so they are not read."""
    source = (ROOT / file).read_text(encoding="utf-8")
    if file.endswith(".py"):
        return list(code.python(source, strings=not file.startswith("tests/")))
    reader = _reader(ROOT / file)
    return list(reader(source)) if reader else []


def _reader(path: Path) -> Callable[[str], Iterator[Text]] | None:
    return _READERS.get(path.suffix or path.name)


def _folder(file: str) -> str:
    """The folder with an allowance in which a file is, or nothing."""
    return max((each for each in RULES["allowed"] if file.startswith(each)), key=len, default="")


def main(names: list[str]) -> int:
    read = {file: pieces(file) for file in files(names or RULES["read"])}
    found = sorted({*by_proselint(read), *(each for file in read for each in findings(file, read[file]))})
    by_folder: dict[str, list[Finding]] = {each: [] for each in ["", *RULES["allowed"]]}
    for each in found:
        by_folder[_folder(each.page)].append(each)
    too_many = [folder for folder in by_folder if len(by_folder[folder]) > RULES["allowed"].get(folder, 0)]
    for each in found if names else by_folder[""]:
        print(each)
    by_rule = ", ".join(f"{rule} {count}" for rule, count in Counter(each.rule for each in found).most_common())
    print(f"{len(found)} findings in {len(read)} files. {by_rule}")
    for folder, allowed in RULES["allowed"].items():
        count = len(by_folder[folder])
        if not names and count != allowed:
            then = "name the folder to see them" if count > allowed else "lower the number"
            print(f"{folder} has {count} findings, and prose.json allows {allowed}: {then}")
    return int(bool(by_folder[""]) or (bool(too_many) and not names))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
