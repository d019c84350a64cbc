"""Shared code knows no vendor's name: names are only in `vendors/`, the packaged data and the default config.

Names and texts of the code are looked at; comments and docstrings may say where a format comes from.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import gateway

ROOT = Path(gateway.__file__).parent
VENDOR = re.compile(r"openai|bedrock|anthropic|azure", re.I)

# The other texts that may have one, by their place (the beginning of a path), and why.
ALLOWED = {
    ("", "openai_usage"): "usage in the chat dialect's form, by the dialect's own name",
    ("", "openai_error"): "an error in the chat dialect's form",
    ("", "anthropic-version"): "a header of the format is called so",
    ("", "anthropic-beta"): "a header of the format is called so",
    ("api/", "openai"): "a shape of errors is known by that name",
    ("handlers/", "openai"): "a shape of errors and of lists is known by that name",
    ("handlers/v1.py", "exactly "): "the document says whose format a route speaks",
    ("models/listing.py", "claude|anthropic"): "names that a client keeps of a list, which drops all others",
    ("dialects/messages/", "anthropic_"): "fields of the format are called so",
}


def said(path: Path) -> Iterator[str]:
    """Every name and every text in a module's code, except docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value
        for name in ("id", "attr", "arg", "name", "module", "asname"):
            if isinstance(value := getattr(node, name, None), str):
                yield value


def test_shared_code_learns_no_vendor_s_name() -> None:
    found = set()
    for path in sorted(ROOT.rglob("*.py")):
        place = path.relative_to(ROOT).as_posix()
        if not place.startswith("vendors/"):
            found |= {(place, text) for text in said(path) if VENDOR.search(text)}
    excused = {
        (place, text) for place, text in found for where, part in ALLOWED if place.startswith(where) and part in text
    }
    assert found - excused == set()


def test_their_names_are_in_the_data_of_vendors_models_and_clients_alone() -> None:
    naming = {path.name for path in (ROOT / "data").iterdir() if VENDOR.search(path.read_text(encoding="utf-8"))}
    assert naming == {
        "betas.json",
        "caching.json",
        "clients.json",
        "docs.html",
        "images.json",
        "models.json",
        "openapi.json",
        "prices.json",
        "thinking.json",
        "vendors.json",
    }
    vendors = json.loads((ROOT / "data" / "vendors.json").read_bytes())["vendors"]
    assert all(VENDOR.search(name) for name in vendors), "the pattern above has to know every packaged one"
