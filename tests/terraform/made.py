"""A gateway's facts, by section, as AWS's APIs report them for the resources that the local deployer made."""

from __future__ import annotations

import json
from typing import Any

from tests.terraform.forms import Facts, anonymous, function_of, layer_name, statements, unordered
from tools.local.deploy import Deployment


def facts(client: Any, deployment: Deployment) -> Facts:
    """Section -> thing -> its facts. `client` returns boto3's client of a service."""
    return {section: read(client, deployment) for section, read in SECTIONS.items()}


def _routes(client: Any, deployment: Deployment) -> dict[str, Any]:
    api = client("apigatewayv2")
    kinds = {item["AuthorizerId"]: item["Name"] for item in api.get_authorizers(ApiId=deployment.api_id)["Items"]}
    integrations = api.get_integrations(ApiId=deployment.api_id)["Items"]
    functions = {item["IntegrationId"]: function_of(item["IntegrationUri"]) for item in integrations}
    return {
        route["RouteKey"]: (
            route.get("AuthorizationType", "NONE"),
            kinds.get(route.get("AuthorizerId", "")),
            functions[route["Target"].partition("/")[2]],
        )
        for route in api.get_routes(ApiId=deployment.api_id)["Items"]
    }


def _authorizers(client: Any, deployment: Deployment) -> dict[str, Any]:
    return {
        item["Name"]: (
            item["AuthorizerType"],
            item["IdentitySource"],
            item["AuthorizerResultTtlInSeconds"],
            item["AuthorizerPayloadFormatVersion"],
            item["EnableSimpleResponses"],
            function_of(item["AuthorizerUri"]),
        )
        for item in client("apigatewayv2").get_authorizers(ApiId=deployment.api_id)["Items"]
    }


def _integrations(client: Any, deployment: Deployment) -> dict[str, Any]:
    return {
        function_of(item["IntegrationUri"]): (
            item["IntegrationType"],
            item["PayloadFormatVersion"],
            item["TimeoutInMillis"],
        )
        for item in client("apigatewayv2").get_integrations(ApiId=deployment.api_id)["Items"]
    }


def _cors(client: Any, deployment: Deployment) -> dict[str, Any]:
    cors = client("apigatewayv2").get_api(ApiId=deployment.api_id)["CorsConfiguration"]
    lists = {
        "allow_origins": "AllowOrigins",
        "allow_methods": "AllowMethods",
        "allow_headers": "AllowHeaders",
        "expose_headers": "ExposeHeaders",
    }
    return {part: sorted(cors[name]) for part, name in lists.items()} | {"max_age": cors["MaxAge"]}


def _functions(client: Any, deployment: Deployment) -> dict[str, Any]:
    groups = {group["logGroupName"] for group in client("logs").describe_log_groups()["logGroups"]}
    facts = {}
    for name in deployment.functions.values():
        function = client("lambda").get_function_configuration(FunctionName=name)
        (alias,) = client("lambda").list_aliases(FunctionName=name)["Aliases"]
        facts[name] = {
            "handler": function["Handler"],
            "description": function["Description"],
            "memory": function["MemorySize"],
            "timeout": function["Timeout"],
            "layers": [layer_name(layer["Arn"]) for layer in function["Layers"]],
            "tracing": function["TracingConfig"]["Mode"],
            "environment": function["Environment"]["Variables"],
            "alias": alias["Name"],
            "log group": next(group for group in groups if group.endswith(f"/{name}")),
        }
    return facts


def _policies(client: Any, deployment: Deployment) -> dict[str, Any]:
    iam = client("iam")
    facts = {}
    for role in deployment.functions.values():
        (name,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
        facts[role] = statements(iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"])
    return facts


def _trust(client: Any, deployment: Deployment) -> dict[str, Any]:
    roles = {role: client("iam").get_role(RoleName=role)["Role"] for role in deployment.functions.values()}
    return {name: role["AssumeRolePolicyDocument"]["Statement"] for name, role in roles.items()}


def _permissions(client: Any, deployment: Deployment) -> dict[str, Any]:
    items = client("apigatewayv2").get_authorizers(ApiId=deployment.api_id)["Items"]
    authorizers = {item["AuthorizerId"]: item["Name"] for item in items}
    facts: dict[str, Any] = {}
    for name in deployment.functions.values():
        try:
            answer = client("lambda").get_policy(FunctionName=name, Qualifier="live")
        except client("lambda").exceptions.ResourceNotFoundException:
            continue  # a function that only a stream starts needs no permission
        for statement in json.loads(answer["Policy"])["Statement"]:
            principal = statement["Principal"]["Service"]
            source = anonymous(statement["Condition"]["ArnLike"]["AWS:SourceArn"], deployment.api_id, authorizers)
            # EventBridge rules replace EventBridge Scheduler here, which has its own role instead.
            if principal != "events.amazonaws.com":
                permission = (principal, statement["Action"], statement["Resource"].rpartition(":")[2], source)
                facts.setdefault(name, []).append(permission)
    return {name: sorted(permissions) for name, permissions in facts.items()}


def _tables(client: Any, deployment: Deployment) -> dict[str, Any]:
    dynamodb = client("dynamodb")
    facts = {}
    for name in deployment.tables.values():
        table = dynamodb.describe_table(TableName=name)["Table"]
        ttl = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
        facts[name] = {
            "key": [key["AttributeName"] for key in table["KeySchema"]],
            "attributes": {item["AttributeName"]: item["AttributeType"] for item in table["AttributeDefinitions"]},
            "indexes": {
                index["IndexName"]: (
                    [key["AttributeName"] for key in index["KeySchema"]],
                    index["Projection"]["ProjectionType"],
                )
                for index in table.get("GlobalSecondaryIndexes", [])
            },
            "stream": table.get("StreamSpecification", {}).get("StreamViewType"),
            "ttl": ttl.get("AttributeName"),
            "billing": table["BillingModeSummary"]["BillingMode"],
        }
    return facts


def _sources(client: Any, deployment: Deployment) -> dict[str, Any]:
    sources = [client("lambda").get_event_source_mapping(UUID=source) for source in deployment.sources]
    return {
        function_of(source["FunctionArn"]): {
            "table": source["EventSourceArn"].split("/")[1],
            "start": source["StartingPosition"],
            "batch": (source["BatchSize"], source["MaximumBatchingWindowInSeconds"]),
            "filters": unordered(json.loads(each["Pattern"]) for each in source["FilterCriteria"]["Filters"]),
            "answers": source["FunctionResponseTypes"],
            "bisect": source["BisectBatchOnFunctionError"],
            "failures": source["DestinationConfig"]["OnFailure"]["Destination"],
        }
        for source in sources
    }


def _schedules(client: Any, deployment: Deployment) -> dict[str, Any]:
    events = client("events")
    return {
        function_of(target["Arn"]): events.describe_rule(Name=rule)["ScheduleExpression"]
        for rule in deployment.rules
        for target in events.list_targets_by_rule(Rule=rule)["Targets"]
    }


SECTIONS = {
    "routes": _routes,
    "authorizers": _authorizers,
    "integrations": _integrations,
    "cors": _cors,
    "functions": _functions,
    "policies": _policies,
    "trust": _trust,
    "permissions": _permissions,
    "tables": _tables,
    "sources": _sources,
    "schedules": _schedules,
}
