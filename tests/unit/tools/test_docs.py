"""Everything that the documents point to exists: files, headings, tests."""

import re
import tomllib
from functools import lru_cache
from pathlib import Path

import pytest

from tools.docs.source import for_mkdocs
from tools.local.emulator import ROOT

PLACES = (ROOT, *(ROOT / name for name in ("docs", "functions", "tests", "tools", "terraform", "benchmarks")))
PAGES = sorted(
    page.relative_to(ROOT).as_posix()
    for place in PLACES
    for page in (place.glob("*.md") if place == ROOT else place.rglob("*.md"))
    if "node_modules" not in page.parts and ".terraform" not in page.parts
)
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
TEST = re.compile(r"^def (test_\w+)", re.MULTILINE)
NAMED = re.compile(r"`((?:tests/|test_)[^`]+)`")  # in the table of promises: a file, a test of it, or a test


@lru_cache
def anchors(page: Path) -> frozenset[str]:
    """The anchors of a page's headings in links, as GitHub makes them."""
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in HEADING.findall(page.read_text(encoding="utf-8")))
    return frozenset(heading.strip().replace(" ", "-") for heading in plain)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    for link in LINK.findall((ROOT / page).read_text(encoding="utf-8")):
        if link.startswith(("https://", "http://")):
            continue
        file, _, anchor = link.partition("#")
        target = (ROOT / page).parent / file if file else ROOT / page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def named_in(file: str) -> list[str]:
    path = ROOT / file if file.startswith("tests/") else ROOT / "tests" / "contract" / file
    assert path.is_file() or path.is_dir(), file
    return TEST.findall(path.read_text(encoding="utf-8")) if path.is_file() else []


def promises() -> list[str]:
    """The rows of the ledger's table of promises."""
    table = (ROOT / "docs" / "ledger.md").read_text(encoding="utf-8").split("## What is promised")[1].split("\n## ")[0]
    _, _, *rows = [line for line in table.splitlines() if line.startswith("|")]
    return rows


@pytest.mark.parametrize("promise", promises())
def test_a_promise_of_the_ledger_names_tests_that_are_there(promise: str) -> None:
    named = NAMED.findall(promise.rpartition(" | ")[2])
    assert named
    everywhere = [name for path in (ROOT / "tests" / "contract").glob("test_*.py") for name in named_in(path.name)]
    for each in named:
        file, _, test = each.removesuffix("...").partition("::")
        if not file.endswith(".py"):
            assert any(name.startswith(file) for name in everywhere), each
        else:
            assert any(name.startswith(test) for name in named_in(file)), each


def twice(found: list[str]) -> list[str]:
    """Lists to which many people add: a merge keeps the entries of both sides."""
    assert len(found) > 40
    return sorted({each for each in found if found.count(each) > 1})


def test_nothing_is_told_of_twice_in_the_changelog() -> None:
    assert twice(re.findall(r"^- .+\n(?:  .+\n)*", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)) == []


def test_a_word_of_the_glossary_has_one_meaning() -> None:
    glossary = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("## Glossary")[1].split("\n## ")[0]
    rows = re.findall(r"^\| ([^|]+) \|", glossary, re.M)
    assert twice([word for row in rows for word in row.split(", ")]) == []


def test_the_table_of_rooms_is_the_linter_s_layers() -> None:
    table = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("## The rooms")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    rooms = [{name.strip("/") for name in re.findall(r"`(\w+/?)(?:\.py)?`", row)} for row in rows]
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    _, *layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    assert rooms == [{name.removeprefix("gateway.") for name in layer.split(" | ")} for layer in layers]


def test_every_decision_is_in_the_list_of_decisions_with_its_title() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = re.findall(
        r"^\| \[(\d+)\]\(([^)]+)\) \| (.+?) \| .+ \|$", (folder / "README.md").read_text(encoding="utf-8"), re.M
    )
    titles = {page.name: page.read_text(encoding="utf-8").splitlines()[0] for page in sorted(folder.glob("0*.md"))}
    assert {file: f"# {number}. {title}" for number, file, title in listed} == titles


def test_a_block_in_a_list_stays_in_it_on_the_site() -> None:
    page = "1. Stop it:\n\n   ```console\n   make stop\n     # now\n   ```\n\n   It says so.\n2. Go on.\n\n"
    after = "```json\n{\n   1: 2}\n```\n```console\n$ make run\n   - ready\n```\n"
    shown = "1. Stop it:\n\n    ```bash\n    make stop\n      # now\n    ```\n\n    It says so.\n2. Go on.\n\n"
    assert for_mkdocs(page + after) == shown + after
