"""What both readers of a gateway's facts (applied.py, made.py) need to give them the same form."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

Facts = dict[str, dict[str, Any]]


def function_of(arn: str) -> str:
    """The function's name in its ARN, its alias's, or the invocation ARN of API Gateway."""
    return arn.partition(":function:")[2].partition("/")[0].split(":")[0]


def layer_name(arn: str) -> str:
    return arn.split(":")[6]


def statements(document: str | Mapping[str, Any]) -> dict[str, Any]:
    """Of each statement its effect, actions, resources and condition."""
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
    """An ARN with names where each deployment has ids of its own."""
    for identifier, name in {api: "API", **authorizers}.items():
        arn = arn.replace(identifier, name)
    return arn


def unordered(values: Iterable[Any]) -> list[Any]:
    """Values whose order means nothing, in one that is always the same."""
    return sorted(values, key=lambda value: json.dumps(value, sort_keys=True))
