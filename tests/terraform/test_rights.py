"""Each function has exactly the rights that it needs: its recorded calls are compared with the policies that Terraform
applies."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.terraform import applied
from tests.terraform.applied import State
from tests.terraform.making import Made
from tests.terraform.rights import Grant, Right, grants, missing, unused

# Rights that Lambda itself uses in a function's name: to log, to trace, to read the stream, to send failures to the
# queue.
OF_THE_PLATFORM = {"Logs", "Traces", "Stream", "Failures"}
Granted = dict[str, list[Grant]]
Used = dict[str, set[Right]]


@pytest.fixture(scope="module")
def granted(state: State, made: Made) -> Granted:
    """Function -> the grants of its policy."""
    policies = applied.facts(state)["policies"]
    return {folder: grants(policies[name]) for folder, name in made.live.deployment.functions.items()}


@pytest.fixture(scope="module")
def used(state: State, everything: Made) -> Used:
    """Function -> the rights that its calls needed while the gateway did everything once."""
    rights: Used = {folder: set() for folder in everything.live.deployment.functions}
    for call in everything.recorder.calls:
        rights[call.function] |= call.rights(*state.place)
    return rights


def of_its_own(granted: list[Grant]) -> list[Grant]:
    return [grant for grant in granted if grant.sid not in OF_THE_PLATFORM]


def test_nothing_used_is_missing(used: Used, granted: Granted) -> None:
    left = {folder: missing(rights, granted[folder]) for folder, rights in used.items()}
    assert {folder: rights for folder, rights in left.items() if rights} == {}


def test_nothing_granted_is_unused(used: Used, granted: Granted) -> None:
    left = {folder: unused(used[folder], of_its_own(held)) for folder, held in granted.items()}
    assert {folder: held for folder, held in left.items() if held} == {}


def test_each_partition_left_out_is_missed_and_each_too_many_is_found(used: Used, granted: Granted) -> None:
    """Deliberate mistakes, one at a time, in the rights that are granted by partition."""
    tried = 0
    for folder, held in granted.items():
        for grant in held:
            if grant.partition is None:
                continue
            tried += 1
            assert missing(used[folder], [each for each in held if each != grant]), grant
            for wrong in (replace(grant, partition="elsewhere"), replace(grant, partition="elsewhere#*")):
                assert unused(used[folder], of_its_own([*held, wrong])) == {wrong}
    assert tried >= 15


def test_a_compromised_function_can_t_reprice_or_mint(granted: Granted, state: State) -> None:
    """An attacker with the rights of a function that callers reach, or of the consumer, can write no config and no
    key."""
    (table,) = [table for table in applied.facts(state)["tables"] if table.endswith("-state")]
    prefix = f"arn:aws:dynamodb:{':'.join(state.place)}:table/{table.removesuffix('-state')}"
    for folder, held in granted.items():
        for action in ("PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem"):
            reprice = Right(f"dynamodb:{action}", f"{prefix}-state", "config")
            mint = Right(f"dynamodb:{action}", f"{prefix}-api-keys", "abc")
            allowed = [right for right in (reprice, mint) if not missing([right], held)]
            assert not allowed or folder == "admin", (folder, allowed)
    assert not missing([Right("dynamodb:PutItem", f"{prefix}-state", "config")], granted["admin"])


def test_the_platforms_rights_are_the_only_ones_on_everything(granted: Granted) -> None:
    everything = {grant for held in granted.values() for grant in held if grant.resource == "*"}
    traces = ("xray:PutTelemetryRecords", "xray:PutTraceSegments")
    assert everything == {Grant("Traces", action, "*") for action in traces}
