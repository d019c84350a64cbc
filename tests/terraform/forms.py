"""The functions with which both readers of a gateway's facts (applied.py, made.py) give them the same form."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

Facts = dict[str, dict[str, Any]]


def function_of(arn: str) -> str:
    """The function's name in its ARN, in its alias's ARN, or in the invocation ARN of API Gateway."""
    return arn.partition(":function:")[2].partition("/")[0].split(":")[0]


def layer_name(arn: str) -> str:
    return arn.split(":")[6]


def statements(document: str | Mapping[str, Any]) -> dict[str, Any]:
    """The effect, actions, resources and condition of each statement."""
    policy = json.loads(document) if isinstance(document, str) else document
    return {
        statement["Sid"]: (
            statement["Effect"],
            sorted(statement["Action"]),
            sorted(statement["Resource"]),
            statement.get("Condition", {}),
        )
        for statement in policy["Statement"]
    }


def anonymous(arn: str, api: str, authorizers: Mapping[str, str]) -> str:
    """An ARN with names in place of the ids that differ between deployments."""
    for identifier, name in {api: "API", **authorizers}.items():
        arn = arn.replace(identifier, name)
    return arn


def unordered(values: Iterable[Any]) -> list[Any]:
    """Values whose order means nothing, in an order that is always the same."""
    return sorted(values, key=lambda value: json.dumps(value, sort_keys=True))
