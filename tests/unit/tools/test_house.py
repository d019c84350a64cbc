"""The code stays easy to read: modules, functions and folders have a largest size, and values are made in one way."""

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
OWN_CONSTRUCTOR = {"KeyLimits", "Plan", "Target"}  # `__init__` takes other arguments than the fields, or sets many
SECRET_STATE = {"Marks", "ProviderCredentials", "SecretStore", "_Kept"}  # a field that stays out of `repr`
OWN_STATE = {"Buckets", "Completions", "ModelNames", "Port", "SentKeys"}  # a field that is no argument
NOT_COMPARED = {"Overrides"}  # a field that takes no part in comparisons


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


def test_a_value_is_a_struct() -> None:
    """See the house rules of CONTRIBUTING.md. A class that needs a dataclass is listed above, with the reason."""
    dataclasses, tuples = set(), set()
    for module in MODULES:
        for node in ast.walk(ast.parse((LAYER / module).read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                if any("dataclass" in ast.unparse(each) for each in node.decorator_list):
                    dataclasses.add(node.name)
                if any("NamedTuple" in ast.unparse(each) for each in node.bases):
                    tuples.add(node.name)
    assert dataclasses == OWN_CONSTRUCTOR | SECRET_STATE | OWN_STATE | NOT_COMPARED
    assert tuples == set()


@pytest.mark.parametrize("module", MODULES)
def test_a_dataclass_can_be_made_by_python_3_11(module: str) -> None:
    """It refuses a default without a hash, and before 3.12 a read-only mapping has none."""
    imported = importlib.import_module(f"gateway.{module.removesuffix('.py').replace('/', '.')}")
    for made in filter(is_dataclass, vars(imported).values()):
        for each in fields(made):
            assert not isinstance(each.default, MappingProxyType), f"{made}: {each.name}"
