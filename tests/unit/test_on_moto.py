"""Every test that on_moto.py names exists."""

import importlib
from collections import Counter

import pytest

from tests.contract.on_moto import NOT_ON_MOTO, ON_MOTO, on_moto

LISTED = [
    (module, name) for listed in (ON_MOTO, *NOT_ON_MOTO.values()) for module, names in listed.items() for name in names
]


@pytest.mark.parametrize("module", sorted({module for module, _ in LISTED}))
def test_every_name_is_a_test(module: str) -> None:
    tests = vars(importlib.import_module(f"tests.contract.{module}"))
    assert [name for of, name in LISTED if of == module and name not in tests] == []


def test_no_test_is_named_twice() -> None:
    assert [each for each, count in Counter(LISTED).items() if count > 1] == []


def test_the_ledger_is_judged_without_java() -> None:
    module, (name, *_) = next(iter(ON_MOTO.items()))
    assert on_moto(f"tests.contract.{module}", name)
    assert not on_moto(f"tests.contract.{module}", "test_a_new_one")
    assert {"test_ledger", "test_accounts", "test_keys", "test_stores"} <= set(ON_MOTO)
