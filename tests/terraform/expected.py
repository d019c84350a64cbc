"""How a production deployment must be, written down a second time by hand, from AWS's documentation and the product's
promises. It reads no manifest, no variable and no local of Terraform.

A table of expectations: name -> a function that gets a planned or applied state and yields a line for each thing that
is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tests.terraform.applied import State

Expectation = Callable[[State], Iterator[str]]
PREFIX = "ai-gateway-prod"
REGION = "eu-central-1"
FUNCTIONS = {
    "admin": f"{PREFIX}-admin",
    "analytics": f"{PREFIX}-analytics",
    "authorizer": f"{PREFIX}-api-authorizer",
    "completions": f"{PREFIX}-completions",
    "health": f"{PREFIX}-health",
    "mcp": f"{PREFIX}-mcp",
    "reconciler": f"{PREFIX}-reconciler",
    "stream": f"{PREFIX}-stream",
    "sweeper": f"{PREFIX}-sweeper",
}


def planned(document: Mapping[str, Any]) -> State:
    """The state that a plan would make, from the output of `terraform show -json`."""
    return State({"values": document["planned_values"], "variables": document["variables"]})


def must(what: str, values: Mapping[str, Any], **wanted: Any) -> Iterator[str]:
    """Yields a line for each attribute that is not as it must be. If the wanted value is a set, it lists the allowed
    values."""
    for name, value in wanted.items():
        allowed = value if isinstance(value, set | frozenset | range) else (value,)
        if values.get(name) not in allowed:
            yield f"{what}: {name} is {values.get(name)!r}, not {value!r}"


def same(what: str, found: Any, wanted: Any) -> Iterator[str]:
    if isinstance(found, set) and isinstance(wanted, set):
        yield from (f"{what}: {each!r} is not expected" for each in sorted(found - wanted, key=str))
        yield from (f"{what}: {each!r} is missing" for each in sorted(wanted - found, key=str))
    elif found != wanted:
        yield f"{what}: {found!r}, not {wanted!r}"


def one(blocks: Any) -> Mapping[str, Any]:
    """The block, if there is exactly one; otherwise an empty one."""
    return blocks[0] if isinstance(blocks, list) and len(blocks) == 1 else {}


def account(state: State) -> str:
    return str(state.of("aws_apigatewayv2_api")[0]["execution_arn"]).split(":")[4]


def arn(state: State, service: str, resource: str) -> str:
    return f"arn:aws:{service}:{REGION}:{account(state)}:{resource}"


def live(state: State, folder: str) -> str:
    """The ARN that all callers use: the alias, never the function without an alias."""
    return arn(state, "lambda", f"function:{FUNCTIONS[folder]}:live")


def failures(state: State, expectations: Mapping[str, Expectation]) -> dict[str, list[str]]:
    """Name of an expectation -> what is wrong, for each expectation that is not met."""
    found = {name: list(_lines(state, expectation)) for name, expectation in expectations.items()}
    return {name: lines for name, lines in found.items() if lines}


def _lines(state: State, expectation: Expectation) -> Iterator[str]:
    try:
        yield from expectation(state)
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        yield f"of another form: {error!r}"
