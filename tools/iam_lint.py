"""Checks the policies of a plan whose values are all known (`terraform show -json` on standard input) with parliament,
which knows AWS's actions and resources. It runs in the linters' environment, so it imports nothing of the gateway."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from importlib import import_module
from typing import Any

_CALLS = frozenset(
    {
        "arn:*:bedrock:*:*:application-inference-profile/*",
        "arn:*:bedrock:*:*:async-invoke/*",
        "arn:*:bedrock:*:*:default-prompt-router/*",
        "arn:*:bedrock:*:*:imported-model/*",
        "arn:*:bedrock:*:*:inference-profile/*",
        "arn:*:bedrock:*:*:marketplace/model-endpoint/all-access",
        "arn:*:bedrock:*:*:provisioned-model/*",
    }
)
_WAYS = (
    "Each form of resource is one way to call; the gateway calls only by foundation model and inference profile. "
    "One statement has both; the other has only models, for the models to which a profile leads."
)
# Known false findings: action -> the reason, and the resource forms that parliament misses.
EXPLAINED: dict[str, tuple[str, frozenset[str]]] = {
    "bedrock:InvokeModel": (_WAYS, _CALLS),
    "bedrock:InvokeModelWithResponseStream": (_WAYS, _CALLS),
    "dynamodb:ListStreams": (
        "Lambda asks for it on the stream it reads, as AWS's own policy template for stream readers grants it.",
        frozenset({"*"}),
    ),
}
# Actions that parliament's list does not have yet -> where AWS documents them.
NOT_LISTED = {"bedrock:CountTokens": "Amazon Bedrock's user guide, on counting tokens before running inference"}


def policies(plan: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Address and JSON text of every role's policy in a plan. Raises KeyError if only an apply knows one."""

    def below(module: dict[str, Any]) -> Iterator[dict[str, Any]]:
        yield from module.get("resources", [])
        for child in module.get("child_modules", []):
            yield from below(child)

    for resource in below(plan["planned_values"]["root_module"]):
        if resource["type"] == "aws_iam_role_policy":
            yield resource["address"], resource["values"]["policy"]


def unexplained(finding: Any) -> Any:
    """The part of a finding that EXPLAINED does not cover: its detail, or nothing."""
    if finding.issue == "UNKNOWN_ACTION" and any(str(finding.detail).endswith(name) for name in NOT_LISTED):
        return None
    if finding.issue != "RESOURCE_MISMATCH":
        return finding.detail or finding.issue
    return [
        detail
        for detail in finding.detail
        if detail["required_format"] not in EXPLAINED.get(detail["action"], ("", ()))[1]
    ]


def main() -> int:
    parliament = import_module("parliament")
    found = 0
    judged = list(policies(json.load(sys.stdin)))
    for address, policy in judged:
        for finding in parliament.analyze_policy_string(policy).findings:
            finding = parliament.enhance_finding(finding)
            if left := unexplained(finding):
                found += 1
                print(f"{address}: {finding.severity}: {finding.title}: {left}", file=sys.stderr)
    print(f"{len(judged)} policies, {found} findings")
    return 1 if found or not judged else 0


if __name__ == "__main__":
    sys.exit(main())
