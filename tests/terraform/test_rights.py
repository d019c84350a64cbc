"""No function may do less than it does, nor more: calls on the wire against the policies that Terraform applies."""

from __future__ import annotations

import fnmatch

import pytest

from tests.terraform import applied
from tests.terraform.applied import State
from tests.terraform.making import Made

# Rights that Lambda itself uses in a function's name: to log, to trace, to read the stream, to set failures aside.
OF_THE_PLATFORM = {"Logs", "Traces", "Stream", "Failures"}
Granted = dict[str, list[tuple[str, str, str]]]


@pytest.fixture(scope="module")
def granted(state: State, made: Made) -> Granted:
    """Function -> what its policy allows, as (statement, action, resource)."""
    policies = applied.facts(state)["policies"]
    return {
        folder: [
            (sid, action, resource)
            for sid, (effect, actions, resources) in policies[name].items()
            for action in actions
            for resource in resources
            if effect == "Allow"
        ]
        for folder, name in made.live.deployment.functions.items()
    }


@pytest.fixture(scope="module")
def used(state: State, everything: Made) -> dict[str, set[tuple[str, str]]]:
    """Function -> the rights that its calls needed while everything the gateway does was done once."""
    rights: dict[str, set[tuple[str, str]]] = {folder: set() for folder in everything.live.deployment.functions}
    for call in everything.recorder.calls:
        rights[call.function] |= call.rights(*state.place)
    return rights


def test_nothing_used_is_missing(used: dict[str, set[tuple[str, str]]], granted: Granted) -> None:
    missing = {
        (folder, action, arn)
        for folder, rights in used.items()
        for action, arn in rights
        if not any(_allows(grant, action, arn) for grant in granted[folder])
    }
    assert missing == set()


def test_nothing_granted_is_unused(used: dict[str, set[tuple[str, str]]], granted: Granted) -> None:
    unused = {
        (folder, *grant)
        for folder, grants in granted.items()
        for grant in grants
        if grant[0] not in OF_THE_PLATFORM and not any(_allows(grant, *right) for right in used[folder])
    }
    assert unused == set()


def test_the_platforms_rights_are_the_only_ones_on_everything(granted: Granted) -> None:
    everything = {grant for grants in granted.values() for grant in grants if grant[2] == "*"}
    assert everything == {("Traces", "xray:PutTelemetryRecords", "*"), ("Traces", "xray:PutTraceSegments", "*")}


def _allows(grant: tuple[str, str, str], action: str, arn: str) -> bool:
    return grant[1] == action and fnmatch.fnmatchcase(arn, grant[2])
