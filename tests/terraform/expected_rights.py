"""The rights of each role, and who may assume it: see expected.py."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.terraform.applied import State
from tests.terraform.expected import FUNCTIONS, PREFIX, REGION, Expectation, account, arn, must, same

# Function -> table, or table/index -> DynamoDB's actions on it. No other actions and no other tables.
ON_TABLES = {
    "admin": {
        "api-keys": "BatchGetItem ConditionCheckItem DeleteItem GetItem PutItem UpdateItem",
        "api-keys/index/by-created": "Query",
        "api-keys/index/by-team": "Query",
        "api-keys/index/by-user": "Query",
        "limits": "GetItem PutItem UpdateItem",
        "product-catalog": "DeleteItem GetItem PutItem",
        "request-analytics": "PutItem Query",
    },
    "analytics": {
        "limits": "GetItem",
        "request-analytics/stream/*": "DescribeStream GetRecords GetShardIterator ListStreams",
        "usage": "UpdateItem",
    },
    "authorizer": {"api-keys": "GetItem"},
    "completions": {
        "api-keys": "ConditionCheckItem GetItem",
        "limits": "GetItem PutItem UpdateItem",
        "product-catalog": "BatchGetItem Query",
        "product-catalog/index/by-category": "Query",
        "product-catalog/index/by-term": "Query",
        "request-analytics": "PutItem UpdateItem",
    },
    "health": {},
    "mcp": {
        "api-keys": "GetItem",
        "product-catalog": "BatchGetItem GetItem Query",
        "product-catalog/index/by-category": "Query",
        "product-catalog/index/by-term": "Query",
    },
    "reconciler": {
        "api-keys": "BatchGetItem",
        "limits": "DeleteItem Scan UpdateItem",
        "request-analytics": "Query",
    },
    "stream": {
        "api-keys": "ConditionCheckItem GetItem",
        "limits": "GetItem PutItem UpdateItem",
        "product-catalog": "BatchGetItem Query",
        "product-catalog/index/by-category": "Query",
        "product-catalog/index/by-term": "Query",
        "request-analytics": "PutItem UpdateItem",
    },
    "sweeper": {"limits": "UpdateItem", "request-analytics": "Query UpdateItem"},
}
# Function -> action on `state` -> the partitions on which it is allowed. Only the admin function writes config and
# prices.
ON_STATE = {
    "admin": {
        "BatchGetItem": "health used#*",
        "GetItem": "config session-secrets",
        "PutItem": "config",
        "Query": "health",
        "UpdateItem": "health",
    },
    "analytics": {"PutItem": "alert#* parked", "UpdateItem": "alert#* health used#*"},
    "completions": {
        "BatchGetItem": "health",
        "DeleteItem": "idempotency#*",
        "GetItem": "config idempotency#* session-secrets",
        "PutItem": "idempotency#* session-secrets",
        "UpdateItem": "health idempotency#*",
    },
    "health": {"Query": "health"},
    "mcp": {"GetItem": "config"},
    "stream": {
        "BatchGetItem": "health",
        "DeleteItem": "idempotency#*",
        "GetItem": "config idempotency#* session-secrets",
        "PutItem": "idempotency#* session-secrets",
        "UpdateItem": "health idempotency#*",
    },
    "sweeper": {"GetItem": "sweeper", "PutItem": "sweeper"},
}
# The same for `usage`. The admin function may erase the sums of sessions; only the consumer writes the bill.
ON_USAGE = {"admin": {"PutItem": "session#*", "Query": "20* session#*"}}


# Inference profiles of all geographies. In other regions a model may be called only through one of these.
PROFILES = "inference-profile/*.*"
# The functions that call models, and their actions. The streaming door may also use the actions that stream.
ON_MODELS = {"completions": ["InvokeModel"], "stream": ["InvokeModel", "InvokeModelWithResponseStream"]}
# The functions that count the tokens of a prompt, which works only with a model's own id.
COUNTING = ("stream",)

# Roles that no function has -> who may assume them.
OTHERS = {
    f"{PREFIX}-api-logs": "apigateway.amazonaws.com",
    f"{PREFIX}-backup": "backup.amazonaws.com",
    f"{PREFIX}-scheduler": "scheduler.amazonaws.com",
}
_PLAIN = {"Sid", "Effect", "Action", "Resource"}


def _allowed(state: State, folder: str) -> Iterator[tuple[str, str]]:
    """Action and resource of everything that a function may do without a condition."""
    for table, actions in ON_TABLES[folder].items():
        resource = arn(state, "dynamodb", f"table/{PREFIX}-{table}")
        yield from ((f"dynamodb:{action}", resource) for action in actions.split())
    group = arn(state, "logs", f"log-group:/aws/lambda/{FUNCTIONS[folder]}:*")
    yield from ((f"logs:{action}", group) for action in ("CreateLogStream", "PutLogEvents"))
    yield from ((f"xray:{action}", "*") for action in ("PutTelemetryRecords", "PutTraceSegments"))
    if folder == "analytics":
        yield "sns:Publish", arn(state, "sns", f"{PREFIX}-budgets")
        yield "sqs:SendMessage", arn(state, "sqs", f"{FUNCTIONS[folder]}-failures")
    if folder in ON_MODELS:
        yield "secretsmanager:GetSecretValue", arn(state, "secretsmanager", f"secret:{PREFIX}/openai-??????")
        # The only prefix of secrets that a provider of the config may name.
        yield "secretsmanager:GetSecretValue", arn(state, "secretsmanager", f"secret:{PREFIX}/providers/*")
        # The config chooses the model, in the region in which it is called.
        for action in ON_MODELS[folder]:
            yield f"bedrock:{action}", f"arn:aws:bedrock:{REGION}::foundation-model/*"
            yield f"bedrock:{action}", arn(state, "bedrock", PROFILES)
    if folder in COUNTING:
        yield "bedrock:CountTokens", f"arn:aws:bedrock:{REGION}::foundation-model/*"


def roles(state: State) -> Iterator[str]:
    found = {role["name"]: role for role in state.of("aws_iam_role")}
    yield from same("roles", set(found), {*FUNCTIONS.values(), *OTHERS})
    for name, role in found.items():
        service = OTHERS.get(name, "lambda.amazonaws.com")
        trust: dict[str, Any] = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": service}}
        if service.startswith("scheduler"):
            trust["Condition"] = {"StringEquals": {"aws:SourceAccount": account(state)}}
        yield from same(f"{name}: trust", json.loads(role["assume_role_policy"])["Statement"], [trust])
        yield from must(name, role, path="/", permissions_boundary={None, ""}, managed_policy_arns=[], inline_policy=[])


def rights(state: State) -> Iterator[str]:
    policies = {policy["role"]: json.loads(policy["policy"])["Statement"] for policy in state.of("aws_iam_role_policy")}
    yield from same("policies, one a role", len(state.of("aws_iam_role_policy")), len(FUNCTIONS) + 1)
    for folder, name in FUNCTIONS.items():
        found: set[tuple[str, str]] = set()
        conditioned: dict[str, Any] = {}
        for statement in policies.get(name, []):
            if statement["Effect"] != "Allow" or set(statement) - {"Condition"} != _PLAIN:
                yield f"{name}: {statement['Sid']} is no plain allowance"
            if "Condition" in statement:
                conditioned[_rights_of(statement)] = statement["Condition"]
                continue
            found |= {(action, resource) for action in statement["Action"] for resource in statement["Resource"]}
        wanted = set(_allowed(state, folder))
        yield from (f"{name}: may {action} {resource}" for action, resource in sorted(found - wanted))
        yield from (f"{name}: may not {action} {resource}" for action, resource in sorted(wanted - found))
        wanted_there = dict(_on_partitions(state, folder))
        if folder in ON_MODELS:
            through = {"ArnLike": {"bedrock:InferenceProfileArn": [arn(state, "bedrock", PROFILES)]}}
            actions = " ".join(f"bedrock:{action}" for action in ON_MODELS[folder])
            wanted_there[f"{actions} on arn:aws:bedrock:*::foundation-model/*"] = through
        yield from same(f"{name}: rights with a condition", conditioned, wanted_there)


def _on_partitions(state: State, folder: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Right and condition: all partitions that a call names have one of these forms."""
    for name, granted in (("state", ON_STATE), ("usage", ON_USAGE)):
        table = arn(state, "dynamodb", f"table/{PREFIX}-{name}")
        for action, partitions in granted.get(folder, {}).items():
            condition = {
                "ForAllValues:StringLike": {"dynamodb:LeadingKeys": partitions.split()},
                "Null": {"dynamodb:LeadingKeys": "false"},
            }
            yield _rights_of({"Action": [f"dynamodb:{action}"], "Resource": [table]}), condition


def _rights_of(statement: dict[str, Any]) -> str:
    return f"{' '.join(statement['Action'])} on {' '.join(statement['Resource'])}"


def log_role(state: State) -> Iterator[str]:
    """The account's role for the logs of REST APIs has the policy that AWS made for it, and nothing else. The same is
    true of the role that makes backups, which may not restore."""
    name = f"{PREFIX}-api-logs"
    attached = [(each["role"], each["policy_arn"]) for each in state.of("aws_iam_role_policy_attachment")]
    policy = "arn:aws:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"
    backup = "arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForBackup"
    yield from same("policies of AWS's own", sorted(attached), [(name, policy), (f"{PREFIX}-backup", backup)])
    (role,) = (role for role in state.of("aws_iam_role") if role["name"] == name)
    (settings,) = state.of("aws_api_gateway_account")
    yield from must("API Gateway's settings", settings, cloudwatch_role_arn=role["arn"])


RIGHTS: dict[str, Expectation] = {each.__name__: each for each in (roles, rights, log_role)}
