"""docs/security.md says what a person who takes a function over may do: its table has the rights of the policies, one
by one.

The statements are those that the local deployer gives; tests/terraform/test_parity.py holds Terraform's to them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tools.local.emulator import ROOT
from tools.manifest import Manifest, Names, load
from tools.manifest.names import statements

NAMES = Names("prod")
READS = ("BatchGetItem", "ConditionCheckItem", "GetItem", "Query", "Scan")
OWN = {"Logs", "Traces"}  # its own log and traces, which every function writes
OTHERS = {
    "secretsmanager:GetSecretValue": "the secret",
    "sns:Publish": "publishes to",
    "sqs:SendMessage": "sends to",
    "dynamodb:GetRecords": "reads the stream of",
    "bedrock:CountTokens": "counts tokens of",
    "bedrock:InvokeModel": "calls",
    "bedrock:InvokeModelWithResponseStream": "calls",
}
OF_A_STREAM = {"dynamodb:DescribeStream", "dynamodb:GetShardIterator", "dynamodb:ListStreams"}


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    return load(ROOT)


def held(manifest: Manifest, folder: str) -> Iterator[dict[str, Any]]:
    yield from (each for each in statements(manifest, folder, NAMES) if each["Sid"] not in OWN)


def _target(resource: str) -> str:
    """A resource by the end of its name, without the deployment's prefix."""
    end = resource.split(":", 5)[5]
    for kind in ("table/", "secret:"):
        end = end.removeprefix(kind)
    return end.replace(f"{NAMES.prefix}-", "").replace(f"{NAMES.prefix}/", "").removesuffix("-??????")


def row(manifest: Manifest, folder: str) -> tuple[str, str, str]:
    """The data that a function reads and writes, and its other rights, as the page writes them."""
    reads: dict[str, set[str]] = {}
    writes: dict[str, set[str]] = {}
    others: set[str] = set()
    for each in held(manifest, folder):
        keys = each.get("Condition", {}).get("ForAllValues:StringLike", {}).get("dynamodb:LeadingKeys", [])
        for action in each["Action"]:
            service, _, verb = action.partition(":")
            for resource in each["Resource"]:
                target = _target(resource)
                if service == "dynamodb" and "/stream/" not in target:
                    table = target.partition("/index/")[0]
                    kept = reads if verb in READS else writes
                    kept.setdefault(table, set()).update(keys or {"*"})
                elif action not in OF_A_STREAM:
                    others.add(f"{OTHERS[action]} `{target.partition('/stream')[0]}`")
    return _cell(reads), _cell(writes), ", ".join(sorted(others)) or "-"


def _cell(tables: dict[str, set[str]]) -> str:
    made = []
    for table, keys in sorted(tables.items()):
        parts = "" if "*" in keys else f" ({', '.join(f'`{key}`' for key in sorted(keys))})"
        made.append(f"`{table}`{parts}")
    return ", ".join(made) or "-"


def test_the_page_says_what_the_policies_say(manifest: Manifest) -> None:
    text = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    table = text.split("## What each function may do")[1].split("\n## ")[0]
    found = {
        cells[0].strip("` "): tuple(cell.strip() for cell in cells[1:])
        for line in table.splitlines()
        if line.startswith("| `") and (cells := line.strip("|").split("|"))
    }
    assert found == {folder: row(manifest, folder) for folder in manifest.functions}


def may(manifest: Manifest, action: str, table: str, partition: str | None = None) -> set[str]:
    """Functions that may do this to a table, or to a partition of one."""
    found = set()
    for folder in manifest.functions:
        for each in held(manifest, folder):
            keys = each.get("Condition", {}).get("ForAllValues:StringLike", {}).get("dynamodb:LeadingKeys")
            forms = [re.escape(key).replace(r"\*", ".*") for key in keys or ()]
            there = keys is None or partition is None or any(re.fullmatch(form, partition) for form in forms)
            if there and f"dynamodb:{action}" in each["Action"] and NAMES.table_arn(table) in each["Resource"]:
                found.add(folder)
    return found


def test_what_the_page_concludes(manifest: Manifest) -> None:
    """Each sentence of the page's list of things that nobody else can do."""
    writes = ("PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem")
    for action in writes:
        assert may(manifest, action, "api-keys") <= {"admin"}
        assert may(manifest, action, "state", "config") <= {"admin"}
        assert may(manifest, action, "product-catalog") <= {"admin"}
        assert may(manifest, action, "usage", "2026-11-27") <= {"analytics"}
        assert may(manifest, action, "limits") <= {"admin", "completions", "reconciler", "stream", "sweeper"}
        assert may(manifest, action, "request-analytics") <= {"admin", "completions", "stream", "sweeper"}
    for folder in manifest.functions:
        actions = {action for each in held(manifest, folder) for action in each["Action"]}
        services = {action.partition(":")[0] for action in actions}
        assert services <= {"bedrock", "dynamodb", "secretsmanager", "sns", "sqs"}, folder
        assert "secretsmanager" not in services or folder in ("completions", "stream")
        assert "bedrock" not in services or folder in ("completions", "stream")
        assert "dynamodb:DeleteTable" not in actions
        assert not any(resource == "*" for each in held(manifest, folder) for resource in each["Resource"])
    assert may(manifest, "Scan", "limits") == {"reconciler"}
    assert not may(manifest, "Scan", "api-keys")
