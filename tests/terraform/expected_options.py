"""Prod with everything turned on that is off by default (terraform/golden/options.tfvars): see expected.py."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.terraform.applied import State
from tests.terraform.expected import FUNCTIONS, PREFIX, Expectation, account, must, one, same
from tests.terraform.expected_compute import door_of

KEY = "arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
# The resources that a customer-managed key can encrypt -> the attribute that names the key.
ENCRYPTED = {
    "aws_backup_vault": "kms_key_arn",
    "aws_cloudwatch_log_group": "kms_key_id",
    "aws_lambda_function": "kms_key_arn",
    "aws_scheduler_schedule": "kms_key_arn",
    "aws_secretsmanager_secret": "kms_key_id",
    "aws_sns_topic": "kms_master_key_id",
    "aws_sqs_queue": "kms_master_key_id",
}
# Our roles whose rights are used for KMS. Functions also send to an encrypted queue and an encrypted topic.
# API Gateway only writes logs, which CloudWatch Logs encrypts with the rights of the key's own policy.
# AWS Backup uses it with grants, which AWS's own policy for its role allows.
ACTIONS = {
    "lambda.amazonaws.com": {"kms:Decrypt", "kms:GenerateDataKey"},
    "scheduler.amazonaws.com": {"kms:Decrypt"},
    "backup.amazonaws.com": None,
}


def encryption(state: State) -> Iterator[str]:
    for kind, attribute in ENCRYPTED.items():
        found = state.of(kind)
        if not found:
            yield f"{kind}: there is none"
        for each in found:
            yield from must(str(each.get("name") or each.get("function_name")), each, **{attribute: KEY})
    for table in state.of("aws_dynamodb_table"):
        yield from must(table["name"], one(table["server_side_encryption"]), enabled=True, kms_key_arn=KEY)


def key_rights(state: State) -> Iterator[str]:
    """Every role may use the key, because each role uses something that is encrypted."""
    allowed: dict[str, set[str]] = {}
    for policy in state.of("aws_iam_role_policy"):
        for statement in json.loads(policy["policy"])["Statement"]:
            if KEY in statement["Resource"]:
                allowed.setdefault(policy["role"], set()).update(statement["Action"])
    for role in state.of("aws_iam_role"):
        (trust,) = json.loads(role["assume_role_policy"])["Statement"]
        yield from same(
            f"{role['name']}: with the key", allowed.get(role["name"]), ACTIONS[trust["Principal"]["Service"]]
        )


def domain(state: State) -> Iterator[str]:
    (gateway,) = state.of("aws_apigatewayv2_api")
    yield from must("API", gateway, disable_execute_api_endpoint=True)
    yield from same("CORS", one(gateway["cors_configuration"]).get("allow_origins"), ["https://app.example.com"])
    for each in state.of("aws_apigatewayv2_domain_name"):
        configuration = one(each["domain_name_configuration"])
        yield from must("domain", each, domain_name="api.example.com")
        yield from must("domain", configuration, endpoint_type="REGIONAL", security_policy="TLS_1_2")
    (rest,) = state.of("aws_api_gateway_rest_api")
    yield from must("REST API", rest, disable_execute_api_endpoint=True)
    mapped = {
        (each["domain_name"], each["api_mapping_key"] or "", each["api_id"], each["stage"])
        for each in state.of("aws_apigatewayv2_api_mapping")
    }
    wanted = {("", gateway["id"], "$default"), ("v1", rest["id"], "live")}
    yield from same("mappings", mapped, {("api.example.com", *each) for each in wanted})
    for name in ("url", "stream_url"):
        said = state.document["values"]["outputs"][name]["value"]
        yield from same(f"output {name}", said, "https://api.example.com")


def capacity(state: State) -> Iterator[str]:
    reserved = {f["function_name"]: f["reserved_concurrent_executions"] for f in state.of("aws_lambda_function")}
    # In an account of 1,000 executions: a tenth for the authorizer, some for health and some for admin.
    room = {"admin": 10, "authorizer": 100, "health": 10}
    wanted = dict.fromkeys(FUNCTIONS.values(), -1) | {FUNCTIONS[folder]: count for folder, count in room.items()}
    yield from same("reserved", reserved, wanted)
    warm = one(state.of("aws_lambda_provisioned_concurrency_config"))
    name = FUNCTIONS["authorizer"]
    yield from must("warm", warm, function_name=name, qualifier="live", provisioned_concurrent_executions=2)
    started: dict[str, Any] = {f["function_name"]: f["snap_start"] for f in state.of("aws_lambda_function")}
    snapped = {name: one(each).get("apply_on") for name, each in started.items() if each}
    yield from same("snapshots", snapped, {FUNCTIONS["completions"]: "PublishedVersions"})


# The values of golden/options.tfvars that each function gets.
EVERYWHERE = {"LOG_LEVEL": "WARNING", "GATEWAY_VERSION": "9.9.9", "GATEWAY_TABLE_NAMES": "usage=usage-restored"}
ENVIRONMENT = {
    "admin": {"BEDROCK_REGION": "us-east-1"},
    "completions": {
        "GATEWAY_PROVIDERS": "anthropic,azure,bedrock,openai",
        "ANTHROPIC_SECRET_ID": f"{PREFIX}/anthropic",
        "AZURE_BASE_URL": "https://models.openai.azure.com/openai/v1",
        "AZURE_SECRET_ID": f"{PREFIX}/azure",
        "BEDROCK_REGION": "us-east-1",
        "OPENAI_BASE_URL": "https://models.example.com/v1",
        "OPENAI_PASS_FIELDS": "top_k",
    },
    "stream": {"GATEWAY_STREAM_SECONDS": "120", "GATEWAY_CORS_ORIGINS": "https://app.example.com"},
    "mcp": {"MCP_ALLOWED_ORIGINS": "https://app.example.com", "MCP_ALLOWED_HOSTS": "api.example.com"},
}


def variables(state: State) -> Iterator[str]:
    found = {each["function_name"]: each["environment"][0]["variables"] for each in state.of("aws_lambda_function")}
    for folder, name in FUNCTIONS.items():
        yield from must(name, found.get(name, {}), **(EVERYWHERE | ENVIRONMENT.get(folder, {})))


def doors(state: State) -> Iterator[str]:
    """Options that are off by default open no door and delete nothing."""
    authorizers = {each["id"]: each["name"] for each in state.of("aws_apigatewayv2_authorizer")}
    for route in state.of("aws_apigatewayv2_route"):
        key = route["route_key"]
        _, authorizer = door_of(key.partition(" ")[2]) or ("", "nobody's")
        yield from must(key, route, authorization_type="CUSTOM" if authorizer else "NONE")
        yield from same(key, authorizers.get(route["authorizer_id"] or ""), authorizer)
    for table in state.of("aws_dynamodb_table"):
        yield from must(table["name"], table, deletion_protection_enabled=True)
        yield from must(f"{table['name']}: recovery", one(table["point_in_time_recovery"]), enabled=True)


def rest_streams(state: State) -> Iterator[str]:
    """The wait is the longest that an older provider accepts; the role for logs is not managed here; pages of one
    origin may call."""
    for each in state.of("aws_api_gateway_integration"):
        yield from must("REST API: integration", each, timeout_milliseconds=300_000)
    (settings,) = state.of("aws_api_gateway_method_settings")
    limits = {"throttling_rate_limit": 3, "throttling_burst_limit": 5}
    yield from must("REST API: limits", one(settings["settings"]), **limits)
    yield from same("API Gateway's settings", state.of("aws_api_gateway_account"), [])
    acls = [each["web_acl_arn"] for each in state.of("aws_wafv2_web_acl_association")]
    acl = "arn:aws-us-gov:wafv2:us-gov-west-1:123456789012:regional/webacl/streams/1"
    yield from same("web ACL", acls, [acl])
    function = next(each for each in state.of("aws_lambda_function") if each["function_name"] == FUNCTIONS["stream"])
    layer = "arn:aws-us-gov:lambda:us-gov-west-1:123456789012:layer:adapter:1"
    yield from same("the adapter's layer", function["layers"][-1], layer)


def settings(state: State) -> Iterator[str]:
    mailed = {(each["protocol"], each["endpoint"]) for each in state.of("aws_sns_topic_subscription")}
    yield from same("mail", mailed, {("email", "operators@example.com")})
    told = {each["topic_arn"].rpartition(":")[2] for each in state.of("aws_sns_topic_subscription")}
    yield from same("mail about", told, {f"{PREFIX}-alarms", f"{PREFIX}-budgets"})
    budget = {alarm["alarm_name"]: alarm for alarm in state.of("aws_cloudwatch_metric_alarm")}[f"{PREFIX}-budget"]
    yield from must("budget", budget, threshold=99)
    (stage,) = state.of("aws_apigatewayv2_stage")
    limits = {each["route_key"]: each["throttling_rate_limit"] for each in stage["route_settings"]}
    yield from same("throttles", {limits.pop("GET /health", None), *limits.values()}, {1, 7})


def models(state: State) -> Iterator[str]:
    """Only the regions and the patterns of ids that are set; in other regions only through their profiles."""
    policies = {policy["role"]: json.loads(policy["policy"])["Statement"] for policy in state.of("aws_iam_role_policy")}
    statements = {each["Sid"]: each for each in policies[FUNCTIONS["completions"]] if "Models" in each["Sid"]}
    begin, forms = "arn:aws-us-gov:bedrock", ("anthropic.claude-*", "amazon.nova-*")
    places = [(region, form) for region in ("us-east-1", "us-west-2") for form in forms]
    profiles = {f"{begin}:{region}:{account(state)}:inference-profile/*.{form}" for region, form in places}
    here = {f"{begin}:{region}::foundation-model/{form}" for region, form in places}
    yield from same("models", set(statements["ModelsBedrock"]["Resource"]), here | profiles)
    through = statements["ModelsBedrockByProfile"]
    yield from same("models elsewhere", set(through["Resource"]), {f"{begin}:*::foundation-model/{f}" for f in forms})
    condition = through.get("Condition", {}).get("ArnLike", {}).get("bedrock:InferenceProfileArn")
    yield from same("models elsewhere: through", set(condition or ()), profiles)
    secrets = {secret["name"] for secret in state.of("aws_secretsmanager_secret")}
    yield from same("secrets", secrets, {f"{PREFIX}/{name}" for name in ("anthropic", "azure", "openai")})


def bounded(state: State) -> Iterator[str]:
    """Every role has the permissions boundary and the path that are set."""
    boundary = "arn:aws-us-gov:iam::123456789012:policy/boundary"
    for role in state.of("aws_iam_role"):
        yield from must(role["name"], role, path="/gateway/", permissions_boundary=boundary)


def told_of_each_route(state: State) -> Iterator[str]:
    (stage,) = state.of("aws_apigatewayv2_stage")
    for each in [one(stage["default_route_settings"]), *stage["route_settings"]]:
        yield from must("stage", each, detailed_metrics_enabled=True)


_ALL = (
    bounded,
    told_of_each_route,
    models,
    encryption,
    key_rights,
    domain,
    capacity,
    variables,
    doors,
    rest_streams,
    settings,
)
OPTIONS: dict[str, Expectation] = {each.__name__: each for each in _ALL}
