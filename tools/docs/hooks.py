"""Hooks of MkDocs: an entry of the navigation may be a pattern, and a page that has no place gets one."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def on_config(config: Any) -> Any:
    """`docs/decisions/0*.md` in the navigation stands for all such pages; pages that it leaves out are in `More`."""
    source = Path(config["docs_dir"])
    named: set[str] = set()
    config["nav"] = _expanded(config["nav"], source, named)
    every = {path.relative_to(source).as_posix() for path in source.rglob("*.md")}
    left_out = sorted(every - named)
    if left_out:
        config["nav"].append({"More": left_out})
    return config


def _expanded(entry: Any, source: Path, named: set[str]) -> Any:
    if isinstance(entry, list):
        made = [_expanded(each, source, named) for each in entry]
        return [each for part in made for each in (part if isinstance(part, list) else [part])]
    if isinstance(entry, dict):
        return {name: _expanded(below, source, named) for name, below in entry.items()}
    pages = [path.relative_to(source).as_posix() for path in sorted(source.glob(entry))] if "*" in entry else [entry]
    pages = [page for page in pages if page not in named]
    named.update(pages)
    return pages if "*" in entry else entry
