"""The rights that a policy grants, the rights that a call needs, and their comparison: IAM's rules, as far as our
policies use them."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_PARTITIONS = "ForAllValues:StringLike"
_LEADING = "dynamodb:LeadingKeys"
_PROFILE = "bedrock:InferenceProfileArn"


@dataclass(frozen=True, slots=True)
class Right:
    """A right that a call needs: an action on a resource. For items of a table it names one partition; for a model that
    is called through an inference profile it names the profile's ARN."""

    action: str
    resource: str
    partition: str | None = None
    profile: str | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """One line of a policy: an action on resources of this form. If `partition` or `profile` is set, it allows only
    items of partitions of that form, or only calls through profiles of that form. `sid` is the statement's id."""

    sid: str
    action: str
    resource: str
    partition: str | None = None
    profile: str | None = None

    def allows(self, right: Right) -> bool:
        if self.action != right.action or not fnmatch.fnmatchcase(right.resource, self.resource):
            return False
        return _meets(right.partition, self.partition) and _meets(right.profile, self.profile)


def grants(statements: Mapping[str, Any]) -> list[Grant]:
    """The grants of a policy in the form of forms.statements. Raises ValueError for a statement that does not simply
    allow, or that has an unknown condition."""
    found = []
    for sid, (effect, actions, resources, condition) in statements.items():
        if effect != "Allow":
            raise ValueError(f"{sid}: {effect}")
        found += [
            Grant(sid, action, resource, partition, profile)
            for action in actions
            for resource in resources
            for partition, profile in _conditions(sid, condition)
        ]
    return found


def _meets(value: str | None, form: str | None) -> bool:
    return form is None or (value is not None and fnmatch.fnmatchcase(value, form))


def _conditions(sid: str, condition: Mapping[str, Any]) -> list[tuple[str | None, str | None]]:
    """The partition or profile forms that a condition allows."""
    if not condition:
        return [(None, None)]
    profiles = condition.get("ArnLike", {}).get(_PROFILE)
    if profiles and condition == {"ArnLike": {_PROFILE: profiles}}:
        return [(None, profile) for profile in profiles]
    partitions = condition.get(_PARTITIONS, {}).get(_LEADING)
    if not partitions or condition != {_PARTITIONS: {_LEADING: partitions}, "Null": {_LEADING: "false"}}:
        raise ValueError(f"{sid}: a condition that nobody knows: {condition}")
    return [(partition, None) for partition in partitions]


def missing(used: Iterable[Right], granted: Iterable[Grant]) -> set[Right]:
    """The rights that calls need and that no grant allows."""
    held = list(granted)
    return {right for right in used if not any(grant.allows(right) for grant in held)}


def unused(used: Iterable[Right], granted: Iterable[Grant]) -> set[Grant]:
    """Grants that no call needs."""
    needed = list(used)
    return {grant for grant in granted if not any(grant.allows(right) for right in needed)}
