"""A plan of prod is compared with the second description; and the customer-managed key is used wherever something is
encrypted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.terraform.applied import State
from tests.terraform.expected import planned
from tests.terraform.expected_compute import COMPUTE
from tests.terraform.expected_data import DATA
from tests.terraform.expected_files import FILES
from tests.terraform.expected_options import OPTIONS
from tests.terraform.expected_private import PRIVATE, VARIABLES
from tests.terraform.expected_rights import RIGHTS
from tests.terraform.expected_streaming import STREAMING
from tests.terraform.expected_watching import WATCHING
from tools.golden.plans import planned as plan

PROD = COMPUTE | DATA | RIGHTS | STREAMING | WATCHING


def _meant(expectation: Callable[..., object]) -> str:
    file = expectation.__module__.replace(".", "/")
    return f"If this change of production is meant, {file}.py must say so too, by hand: `make golden` does not."


@pytest.fixture(scope="module")
def prod(unchanged: Path) -> State:
    return planned(json.loads((unchanged / "plans/prod.json").read_bytes()))


@pytest.fixture(scope="module")
def options(unchanged: Path) -> State:
    return planned(json.loads((unchanged / "plans/options.json").read_bytes()))


@pytest.fixture(scope="module")
def private(unchanged: Path, tmp_path_factory: pytest.TempPathFactory) -> State:
    document = plan(unchanged / "terraform", "prod", tmp_path_factory.mktemp("plan"), *VARIABLES)
    return planned(json.loads(document.read_bytes()))


@pytest.mark.parametrize("name", PROD)
def test_production_is_what_it_must_be(name: str, prod: State) -> None:
    assert list(PROD[name](prod)) == [], _meant(PROD[name])


@pytest.mark.parametrize("name", OPTIONS)
def test_what_is_off_by_default_does_what_it_must(name: str, options: State) -> None:
    assert list(OPTIONS[name](options)) == [], _meant(OPTIONS[name])


@pytest.mark.parametrize("name", PRIVATE)
def test_a_private_door_is_what_it_must_be(name: str, private: State) -> None:
    assert list(PRIVATE[name](private)) == [], _meant(PRIVATE[name])


@pytest.mark.parametrize("name", FILES)
def test_the_files_say_what_they_must(name: str, copy: Path) -> None:
    assert list(FILES[name](copy / "terraform")) == [], _meant(FILES[name])


def test_no_expectation_hides_another_of_its_name() -> None:
    parts = (COMPUTE, DATA, RIGHTS, STREAMING, WATCHING, OPTIONS, PRIVATE, FILES)
    assert len({name for part in parts for name in part}) == sum(len(part) for part in parts)
