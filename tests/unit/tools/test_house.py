"""The code stays easy to read: modules, functions and folders have a largest size."""

import ast
import importlib
from collections import Counter
from dataclasses import fields, is_dataclass
from types import MappingProxyType

import pytest

from tools.local.emulator import ROOT

LAYER = ROOT / "shared" / "gateway"
MODULES = sorted(path.relative_to(LAYER).as_posix() for path in LAYER.rglob("*.py"))
MOST_LINES, MOST_LINES_A_FUNCTION, MOST_MODULES_A_FOLDER = 300, 45, 15


@pytest.mark.parametrize("module", MODULES)
def test_a_module_and_its_functions_are_short(module: str) -> None:
    text = (LAYER / module).read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MOST_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            assert (node.end_lineno or 0) - node.lineno < MOST_LINES_A_FUNCTION, node.name


def test_a_folder_holds_few_modules() -> None:
    folders = Counter(module.rpartition("/")[0] for module in MODULES if not module.endswith("__init__.py"))
    assert {folder: count for folder, count in folders.items() if count > MOST_MODULES_A_FOLDER} == {}


@pytest.mark.parametrize("module", MODULES)
def test_a_dataclass_can_be_made_by_python_3_11(module: str) -> None:
    """It refuses a default without a hash, and before 3.12 a read-only mapping has none."""
    imported = importlib.import_module(f"gateway.{module.removesuffix('.py').replace('/', '.')}")
    for made in filter(is_dataclass, vars(imported).values()):
        for each in fields(made):
            assert not isinstance(each.default, MappingProxyType), f"{made}: {each.name}"
