"""What the site is made of: the repository's pages at their own paths, so that their links need no change.

Only the reference is new: it is made from the code and stands nowhere else.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from tools.docs import reference
from tools.local.emulator import ROOT

FOLDER = ROOT / ".local" / "docs-site" / "source"
_LINK = re.compile(r"(\]\(|src=\")(?!https?://|#|mailto:)([^)#\s\"]+)")
_TOP = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")


def gather(folder: Path = FOLDER) -> int:
    """Copy the pages, whatever file they link to, and the reference into an empty folder. Returns how many pages."""
    shutil.rmtree(folder, ignore_errors=True)
    pages = [ROOT / name for name in _TOP] + sorted((ROOT / "docs").rglob("*.md"))
    wanted, seen = list(pages), set(pages)
    while wanted:
        page = wanted.pop()
        for target in _linked(page):
            if target not in seen and target.is_file() and target.is_relative_to(ROOT):
                seen.add(target)
                wanted += [target] if target.suffix == ".md" else []
    for path in seen:
        copy = folder / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".md":
            copy.write_text(_with_pages_of_folders(path), encoding="utf-8")
        else:
            shutil.copyfile(path, copy)
    shutil.copyfile(Path(__file__).parent / "site.css", folder / "site.css")
    made = reference.pages()
    for name, text in made.items():
        (folder / "docs" / "reference" / name).write_text(text, encoding="utf-8")
    return len([path for path in seen if path.suffix == ".md"]) + len(made)


def _linked(page: Path) -> Iterator[Path]:
    for _, link in _LINK.findall(page.read_text(encoding="utf-8")):
        yield (page.parent / link).resolve()


def _with_pages_of_folders(page: Path) -> str:
    """A link to a folder shows its README on a code host; a site has to name that page."""

    def named(match: re.Match[str]) -> str:
        folder = page.parent / match[2]
        return f"{match[1]}{match[2].rstrip('/')}/README.md" if (folder / "README.md").is_file() else match[0]

    return _LINK.sub(named, page.read_text(encoding="utf-8"))
