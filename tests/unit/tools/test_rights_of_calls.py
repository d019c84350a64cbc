"""The rights that a recorded call needs, and whether a policy gives them: a test of the judge of rights."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.terraform.forms import statements as formed
from tests.terraform.recording import Call
from tests.terraform.rights import Grant, Right, grants, missing, unused
from tools.local.emulator import ROOT
from tools.manifest import Names, load
from tools.manifest.names import statements

STATE, KEYS, ROWS = (f"ai-gateway-dev-{name}" for name in ("state", "api-keys", "request-analytics"))
CONFIG = {"pk": {"S": "config"}, "sk": {"S": "current"}}
CLAIM = {"pk": {"S": "idempotency#a"}, "sk": {"S": "claim"}}


def needed(operation: str, body: Mapping[str, Any]) -> set[tuple[str, str, str | None]]:
    call = Call("completions", "dynamodb", f"DynamoDB_20120810.{operation}", "/", body)
    return {
        (right.action.removeprefix("dynamodb:"), right.resource.rpartition(":table/")[2], right.partition)
        for right in call.rights("us-east-1", "000000000000")
    }


def cases() -> Iterator[tuple[str, dict[str, Any], set[tuple[str, str, str | None]]]]:
    yield "GetItem", {"TableName": STATE, "Key": CONFIG}, {("GetItem", STATE, "config")}
    yield "PutItem", {"TableName": STATE, "Item": CLAIM | {"x": {"N": "1"}}}, {("PutItem", STATE, "idempotency#a")}
    yield "DeleteItem", {"TableName": KEYS, "Key": {"id": {"S": "abc"}}}, {("DeleteItem", KEYS, "abc")}
    query = {
        "TableName": ROWS,
        "KeyConditionExpression": "rid > :r AND #m = :m",
        "ExpressionAttributeNames": {"#m": "minute"},
        "ExpressionAttributeValues": {":r": {"S": "r"}, ":m": {"S": "2026-11-24T09:00#0"}},
    }
    yield "Query", query, {("Query", ROWS, "2026-11-24T09:00#0")}
    indexed = {
        "TableName": KEYS,
        "IndexName": "by-team",
        "KeyConditionExpression": "team_id = :value",
        "ExpressionAttributeValues": {":value": {"S": "blue"}},
    }
    yield "Query", indexed, {("Query", f"{KEYS}/index/by-team", "blue")}
    yield "Scan", {"TableName": STATE}, {("Scan", STATE, None)}
    batch = {"RequestItems": {STATE: {"Keys": [CONFIG, CLAIM]}, KEYS: {"Keys": [{"id": {"S": "abc"}}]}}}
    both = {("BatchGetItem", STATE, "config"), ("BatchGetItem", STATE, "idempotency#a")}
    yield "BatchGetItem", batch, both | {("BatchGetItem", KEYS, "abc")}
    written = {"RequestItems": {STATE: [{"PutRequest": {"Item": CLAIM}}, {"DeleteRequest": {"Key": CONFIG}}]}}
    yield (
        "BatchWriteItem",
        written,
        {("BatchWriteItem", STATE, "idempotency#a"), ("BatchWriteItem", STATE, "config")},
    )
    together = [
        {"Put": {"TableName": STATE, "Item": CONFIG}},
        {"ConditionCheck": {"TableName": KEYS, "Key": {"id": {"S": "abc"}}}},
    ]
    yield (
        "TransactWriteItems",
        {"TransactItems": together},
        {("PutItem", STATE, "config"), ("ConditionCheckItem", KEYS, "abc")},
    )
    read = {"TransactItems": [{"Get": {"TableName": STATE, "Key": CONFIG}}]}
    yield "TransactGetItems", read, {("GetItem", STATE, "config")}


@pytest.mark.parametrize(("operation", "body", "wanted"), list(cases()))
def test_a_call_needs_each_partition_that_it_names(
    operation: str, body: dict[str, Any], wanted: set[tuple[str, str, str | None]]
) -> None:
    assert needed(operation, body) == wanted


def test_a_query_that_names_no_partition_is_not_judged() -> None:
    body = {
        "TableName": STATE,
        "KeyConditionExpression": "sk = :sk",
        "ExpressionAttributeValues": {":sk": {"S": "current"}},
    }
    with pytest.raises(ValueError, match="without its partition"):
        needed("Query", body)


def held(folder: str) -> list[Grant]:
    manifest = load(ROOT)
    return grants(formed({"Statement": statements(manifest, folder, Names("dev"))}))


def right(action: str, table: str, partition: str | None) -> Right:
    return Right(f"dynamodb:{action}", f"arn:aws:dynamodb:us-east-1:000000000000:table/{table}", partition)


@pytest.mark.parametrize("folder", sorted(set(load(ROOT).functions) - {"admin"}))
def test_nobody_but_the_admin_reprices_or_mints(folder: str) -> None:
    writes = {right(action, STATE, "config") for action in ("PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem")}
    writes |= {right(action, KEYS, "abc") for action in ("PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem")}
    assert missing(writes, held(folder)) == writes


def test_completions_reads_the_config_and_writes_claims() -> None:
    fine = {right("GetItem", STATE, "config"), right("PutItem", STATE, "idempotency#a")}
    assert missing(fine, held("completions")) == set()
    wrong = {
        right("GetItem", STATE, "parked"),
        right("PutItem", STATE, "idempotency"),
        right("GetItem", STATE, None),
        right("BatchGetItem", STATE, "config"),
    }
    assert missing(wrong, held("completions")) == wrong


def test_a_partition_too_many_is_found_and_one_left_out_is_missed() -> None:
    granted = [Grant("S", "dynamodb:GetItem", "*", "config"), Grant("S", "dynamodb:GetItem", "*", "used#*")]
    calls = {right("GetItem", STATE, "config"), right("GetItem", STATE, "used#abc")}
    assert (missing(calls, granted), unused(calls, granted)) == (set(), set())
    assert missing(calls, granted[:1]) == {right("GetItem", STATE, "used#abc")}
    wide = replace(granted[1], partition="alert#*")
    assert unused(calls, [*granted, wide]) == {wide}
    whole = replace(granted[1], partition=None)
    assert missing({*calls, right("GetItem", STATE, None)}, [whole]) == set()


@pytest.mark.parametrize(
    "condition",
    [
        {"StringLike": {"dynamodb:LeadingKeys": ["config"]}},
        {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["config"]}},
        {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": []}, "Null": {"dynamodb:LeadingKeys": "false"}},
        {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["config"]}, "Null": {"dynamodb:LeadingKeys": "true"}},
    ],
)
def test_a_condition_that_nobody_knows_is_no_right(condition: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="a condition that nobody knows"):
        grants({"S": ("Allow", ["dynamodb:GetItem"], ["*"], condition)})
    with pytest.raises(ValueError, match="Deny"):
        grants({"S": ("Deny", ["dynamodb:GetItem"], ["*"], {})})
