"""The sources of the site: the repository's pages at their own paths, so that their links need no change.

Only the reference is new: it is made from the code and is nowhere else.
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
_ITEM = re.compile(r"(?:\d+\.|[-*]) +")
_COMMANDS = re.compile(r"^( *)```console\n(?!\1\$ )", re.MULTILINE)
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
            copy.write_text(for_mkdocs(_with_pages_of_folders(path)), encoding="utf-8")
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


def for_mkdocs(text: str) -> str:
    """A page as a code host shows it, for MkDocs. A paragraph of a list's item is indented by four spaces there,
    else it ends the list. In a block `console` every line without a prompt is taken for output, and shown dimmed."""
    lines, indent, fenced = [], 0, False
    for line in _COMMANDS.sub(r"\1```bash\n", text).splitlines(keepends=True):
        item = None if fenced else _ITEM.match(line)
        if item:
            indent = item.end()
        elif not fenced and line[0] not in " \n":
            indent = 0
        inside = not item and indent and line.startswith(" " * indent)
        lines.append(" " * (4 - indent) + line if inside else line)
        fenced ^= line.lstrip().startswith("```")
    return "".join(lines)
