"""Terraform and the local deployer make the same gateway; they are compared thing by thing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.terraform import applied
from tests.terraform.applied import State
from tests.terraform.conftest import read
from tests.terraform.forms import Facts

SECTIONS = list(applied.SECTIONS)


@pytest.mark.parametrize("section", SECTIONS)
def test_terraform_applies_what_the_local_deployer_makes(section: str, state: State, local: Facts) -> None:
    there, here = applied.facts(state)[section], local[section]
    assert there, f"Terraform makes no {section}"
    assert sorted(there) == sorted(here)
    differences = {name: {"Terraform": there[name], "local": here[name]} for name in there if there[name] != here[name]}
    assert differences == {}


def test_a_second_plan_after_an_apply_is_empty() -> None:
    plan: dict[str, Any] = dict(read("TERRAFORM_PLAN").document)
    managed = [change for change in plan["resource_changes"] if change["mode"] == "managed"]
    changes = {change["address"]: change["change"]["actions"] for change in managed}
    assert changes
    assert {address: actions for address, actions in changes.items() if actions != ["no-op"]} == {}
