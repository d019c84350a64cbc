"""Functions, and how API Gateway uses them. See expected.py."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from tests.terraform.applied import State
from tests.terraform.expected import FUNCTIONS, PREFIX, REGION, Expectation, arn, live, must, one, same

# Megabytes and seconds. An HTTP API waits at most 30 seconds, a REST API that streams at most 900.
SIZES = {
    "admin": (512, 29),
    "analytics": (256, 60),
    "authorizer": (256, 10),
    "completions": (512, 29),
    "health": (128, 5),
    "mcp": (512, 29),
    "reconciler": (256, 300),
    "stream": (512, 900),
    "sweeper": (256, 60),
}
ENVIRONMENT = {
    "admin": {"GATEWAY_PROVIDERS": "openai,bedrock"},
    "completions": {"GATEWAY_PROVIDERS": "openai,bedrock", "OPENAI_SECRET_ID": f"{PREFIX}/openai"},
    "health": {"GATEWAY_PROVIDERS": "openai,bedrock"},
    "stream": {
        "AWS_LAMBDA_EXEC_WRAPPER": "/opt/bootstrap",
        "AWS_LWA_INVOKE_MODE": "response_stream",
        "AWS_LWA_PORT": "8080",
        "AWS_LWA_READINESS_CHECK_HEALTHY_STATUS": "200-399",
        "AWS_LWA_READINESS_CHECK_PATH": "/ready",
        "GATEWAY_CORS_ORIGINS": "*",
        "GATEWAY_PROVIDERS": "openai,bedrock",
        "GATEWAY_STREAM_SECONDS": "890",
        "OPENAI_SECRET_ID": f"{PREFIX}/openai",
    },
}
# The handler that is not a Python handler, and the layer that starts it: AWS's public layer, version 30 (29 was
# withdrawn).
SERVERS = {"stream": ("functions/stream/run.sh", "753240598075:layer:LambdaAdapterLayerArm64:30")}
# Beginning of a path -> its function and the header that its authorizer reads. The longest beginning counts.
DOORS: dict[str, tuple[str, str | None]] = {
    "/api/v1/admin/": ("admin", "api-key"),
    "/api/v1/completions": ("completions", "api-key"),
    "/v1/": ("completions", "bearer"),
    "/api/v1/products": ("mcp", "api-key"),
    "/api/v1/mcp/": ("mcp", "api-key"),
    "/mcp": ("mcp", "bearer"),
    "/api/v1/health": ("health", None),
    "/health": ("health", None),
    "/openapi.json": ("health", None),
    "/docs": ("health", None),
    "/": ("health", None),  # only this path
}
NEEDED_ROUTES = {
    *(
        "GET /health",
        "HEAD /",
        "GET /",
        "GET /docs",
        "POST /v1/chat/completions",
        "POST /api/v1/completions",
        "GET /v1/models",
        "GET /v1/key",
        "POST /mcp",
    ),
    *("GET /api/v1/products", "POST /api/v1/admin/keys", "GET /api/v1/admin/usage", "POST /api/v1/admin/config"),
}
KINDS = {
    *("aws_api_gateway_account", "aws_api_gateway_deployment", "aws_api_gateway_gateway_response"),
    *("aws_api_gateway_integration", "aws_api_gateway_method", "aws_api_gateway_method_settings"),
    *(
        "aws_api_gateway_resource",
        "aws_api_gateway_rest_api",
        "aws_api_gateway_stage",
        "aws_iam_role_policy_attachment",
    ),
    *("aws_apigatewayv2_api", "aws_apigatewayv2_authorizer", "aws_apigatewayv2_integration", "aws_apigatewayv2_route"),
    *("aws_apigatewayv2_stage", "aws_cloudwatch_dashboard", "aws_cloudwatch_log_group", "aws_cloudwatch_metric_alarm"),
    *("aws_backup_plan", "aws_backup_selection", "aws_backup_vault"),
    "aws_cloudwatch_composite_alarm",
    *("aws_cloudwatch_query_definition", "aws_dynamodb_table", "aws_iam_role", "aws_iam_role_policy"),
    *("aws_lambda_alias", "aws_lambda_event_source_mapping", "aws_lambda_function", "aws_lambda_layer_version"),
    *("aws_lambda_function_event_invoke_config", "aws_lambda_permission", "aws_scheduler_schedule"),
    *("aws_secretsmanager_secret", "aws_sns_topic", "aws_sqs_queue", "terraform_data"),
}


def door_of(path: str) -> tuple[str, str | None] | None:
    """The access that a path must have; None if no such path is expected."""
    begins = (begin for begin in DOORS if path == begin or (begin != "/" and path.startswith(begin)))
    return DOORS.get(max(begins, key=len, default=""))


def _by_name(state: State) -> dict[str, dict[str, Any]]:
    return {function["function_name"]: function for function in state.of("aws_lambda_function")}


def kinds(state: State) -> Iterator[str]:
    yield from same("kinds of resources", {each["type"] for each in state.resources()}, KINDS)
    for each in state.resources():
        if "tags_all" in each["values"]:
            tags = {"application": "ai-gateway", "environment": "prod"}
            yield from same(f"{each['address']}: tags", each["values"]["tags_all"], tags)


def functions(state: State) -> Iterator[str]:
    found = _by_name(state)
    yield from same("functions", set(found), set(FUNCTIONS.values()))
    roles = {role["name"]: role["arn"] for role in state.of("aws_iam_role")}
    for folder, name in FUNCTIONS.items():
        function = found.get(name, {})
        memory, timeout = SIZES[folder]
        handler, adapter = SERVERS.get(folder, (f"functions.{folder}.handler.handler", None))
        wanted: dict[str, Any] = {
            "runtime": "python3.13",
            "architectures": ["arm64"],
            "package_type": "Zip",
            "publish": True,
        }
        wanted |= {"handler": handler, "memory_size": memory, "timeout": timeout}
        wanted |= {"role": roles.get(name), "kms_key_arn": None, "image_uri": None, "snap_start": [], "vpc_config": []}
        # A reservation is also an upper bound: 0 would stop the function, 1 would refuse all callers except one.
        wanted |= {"reserved_concurrent_executions": -1, "source_code_hash": function.get("code_sha256")}
        yield from must(name, function, **wanted)
        if not str(function.get("filename")).endswith(f"/build/aws-arm64-py313/{folder}.zip"):
            yield f"{name}: its zip is {function.get('filename')}"
        if len(str(function.get("source_code_hash"))) != 44:
            yield f"{name}: no checksum, so that a changed zip is not deployed"
        layers = [arn(state, "lambda", f"layer:{PREFIX}-{layer}:1") for layer in ("dependencies", "gateway")]
        layers += [f"arn:aws:lambda:{REGION}:{adapter}"] if adapter else []
        yield from same(f"{name}: layers", function.get("layers"), layers)
        yield from must(f"{name}: tracing", one(function.get("tracing_config")), mode="Active")
        log: dict[str, Any] = {"log_format": "JSON", "log_group": f"/aws/lambda/{name}"}
        # Metrics are log lines of the level INFO. A log level here would drop them.
        log |= {"application_log_level": {None, ""}, "system_log_level": {None, ""}}
        yield from must(f"{name}: logging", one(function.get("logging_config")), **log)


def environment(state: State) -> Iterator[str]:
    everywhere = {"GATEWAY_ENVIRONMENT": "prod", "GATEWAY_TABLE_PREFIX": PREFIX, "LOG_LEVEL": "INFO"}
    for folder, name in FUNCTIONS.items():
        given = dict(one(_by_name(state).get(name, {}).get("environment")).get("variables") or {})
        if not re.fullmatch(r"\d+\.\d+\.\d+", given.pop("GATEWAY_VERSION", "")):
            yield f"{name}: GATEWAY_VERSION is no version"
        wanted = everywhere | ENVIRONMENT.get(folder, {})
        if folder == "analytics":
            wanted |= {"BUDGET_TOPIC_ARN": arn(state, "sns", f"{PREFIX}-budgets")}
        # No other variables, and above all not MCP_ALLOWED_ORIGINS: prod does not set it, so no foreign page may call
        # /mcp.
        yield from same(f"{name}: environment", given, wanted)


def given(state: State) -> Iterator[str]:
    """Prod's variables that only checks and providers read. The operator names accounts and a role."""
    values = {name: each.get("value") for name, each in state.document["variables"].items()}
    yield from must("variables", values, workspace_per_environment=True, emulator_endpoint=None, environment="prod")
    yield from must("artifacts", values["artifacts"], directory=None, url=None)


def aliases(state: State) -> Iterator[str]:
    found = {alias["function_name"]: alias for alias in state.of("aws_lambda_alias")}
    yield from same("aliases", set(found), set(FUNCTIONS.values()))
    for name, alias in found.items():
        yield from must(f"{name}: alias", alias, name="live", routing_config=[])
        if not str(alias["function_version"]).isdigit():
            yield f"{name}: the alias is on {alias['function_version']}, not on a published version"


def layers(state: State) -> Iterator[str]:
    found = {layer["layer_name"]: layer for layer in state.of("aws_lambda_layer_version")}
    yield from same("layers", set(found), {f"{PREFIX}-dependencies", f"{PREFIX}-gateway"})
    for name, layer in found.items():
        wanted = {"compatible_runtimes": ["python3.13"], "compatible_architectures": ["arm64"]}
        yield from must(name, layer, **wanted)
        if not str(layer["filename"]).endswith(f"/layer-{name.removeprefix(PREFIX + '-')}.zip"):
            yield f"{name}: its zip is {layer['filename']}"
        yield from must(f"{name}: checksum", layer, source_code_hash=layer["code_sha256"])


def api(state: State) -> Iterator[str]:
    (gateway,) = state.of("aws_apigatewayv2_api")
    yield from must(
        "API", gateway, name=f"{PREFIX}-api", protocol_type="HTTP", disable_execute_api_endpoint={False, None}
    )
    cors = one(gateway["cors_configuration"])
    yield from must("CORS", cors, allow_origins=["*"], max_age=3600, allow_credentials={False, None})
    yield from same(
        "CORS: methods", set(cors.get("allow_methods", ())), {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}
    )
    for header in ("authorization", "content-type", "x-api-key", "idempotency-key", "mcp-protocol-version"):
        if header not in cors.get("allow_headers", ()):
            yield f"CORS: a page may not send {header}"
    for header in ("retry-after", "x-correlation-id", "x-ratelimit-remaining-requests"):
        if header not in cors.get("expose_headers", ()):
            yield f"CORS: a page may not read {header}"
    (stage,) = state.of("aws_apigatewayv2_stage")
    wanted = {"name": "$default", "auto_deploy": True, "api_id": gateway["id"], "stage_variables": None}
    yield from must("stage", stage, **wanted)


def throttling(state: State) -> Iterator[str]:
    (stage,) = state.of("aws_apigatewayv2_stage")
    limits = {"throttling_rate_limit": 500, "throttling_burst_limit": 1000}
    # Metrics of routes would cost money for each metric of each route, and nobody asked for them.
    limits["detailed_metrics_enabled"] = False
    yield from must("stage: default", one(stage["default_route_settings"]), **limits)
    settings = {each["route_key"]: each for each in stage["route_settings"]}
    yield from same(
        "throttled routes", set(settings), {each["route_key"] for each in state.of("aws_apigatewayv2_route")}
    )
    for key, each in settings.items():
        health = {"throttling_rate_limit": 50, "throttling_burst_limit": 100}
        yield from must(f"stage: {key}", each, **(limits | (health if key == "GET /health" else {})))


def access_log(state: State) -> Iterator[str]:
    (stage,) = state.of("aws_apigatewayv2_stage")
    log = one(stage["access_log_settings"])
    yield from must("access log", log, destination_arn=arn(state, "logs", f"log-group:/aws/apigateway/{PREFIX}-api"))
    fields = set(json.loads(log["format"]).values()) if log else set()
    needed = {"$context.requestId", "$context.routeKey", "$context.status", "$context.responseLatency"}
    needed |= {"$context.identity.sourceIp", "$context.error.messageString", "$context.authorizer.keyId"}
    needed |= {"$context.integrationErrorMessage", "$context.authorizer.error"}
    if needed - fields:
        yield f"access log: without {sorted(needed - fields)}"
    if secret := {field for field in fields if "header" in field.lower() or "body" in field.lower()}:
        yield f"access log: may hold a key: {sorted(secret)}"


def routes(state: State) -> Iterator[str]:
    (gateway,) = state.of("aws_apigatewayv2_api")
    authorizers = {each["id"]: each["name"] for each in state.of("aws_apigatewayv2_authorizer")}
    targets = {
        f"integrations/{each['id']}": each["integration_uri"] for each in state.of("aws_apigatewayv2_integration")
    }
    found = {route["route_key"]: route for route in state.of("aws_apigatewayv2_route")}
    if NEEDED_ROUTES - set(found):
        yield f"routes: without {sorted(NEEDED_ROUTES - set(found))}"
    for key, route in found.items():
        door = door_of(key.partition(" ")[2])
        if door is None:
            yield f"{key}: nobody expects this route"
            continue
        folder, authorizer = door
        wanted = {"api_id": gateway["id"], "authorization_type": "CUSTOM" if authorizer else "NONE"}
        yield from must(key, route, **wanted)
        if not authorizer and not key.startswith(("GET ", "HEAD ")):
            yield f"{key}: changes something, and asks nobody who they are"
        yield from same(f"{key}: authorizer", authorizers.get(route["authorizer_id"] or ""), authorizer)
        yield from same(f"{key}: function", targets.get(route["target"]), _invoked(state, folder))


def authorizers(state: State) -> Iterator[str]:
    found = {each["name"]: each for each in state.of("aws_apigatewayv2_authorizer")}
    sources = {"api-key": "$request.header.X-API-Key", "bearer": "$request.header.Authorization"}
    yield from same("authorizers", set(found), set(sources))
    for name, each in found.items():
        wanted = {
            "authorizer_type": "REQUEST",
            "identity_sources": [sources.get(name)],
            "enable_simple_responses": True,
        }
        wanted |= {"authorizer_result_ttl_in_seconds": 60, "authorizer_payload_format_version": "2.0"}
        yield from must(name, each, authorizer_uri=_invoked(state, "authorizer"), **wanted)


def integrations(state: State) -> Iterator[str]:
    found = state.of("aws_apigatewayv2_integration")
    doors = {folder for folder, _ in DOORS.values()}
    uris = {_invoked(state, folder): SIZES[folder][1] for folder in doors}
    yield from same("integrations", {each["integration_uri"] for each in found}, set(uris))
    for each in found:
        wait = uris.get(each["integration_uri"], 0) * 1_000
        wanted = {"integration_type": "AWS_PROXY", "payload_format_version": "2.0"}
        yield from must(each["integration_uri"], each, timeout_milliseconds=range(wait + 1, 30_001), **wanted)


def permissions(state: State) -> Iterator[str]:
    (gateway,) = state.of("aws_apigatewayv2_api")
    needed = {(FUNCTIONS[folder], f"{gateway['execution_arn']}/$default/*") for folder, _ in DOORS.values()}
    for each in state.of("aws_apigatewayv2_authorizer"):
        needed.add((FUNCTIONS["authorizer"], f"{gateway['execution_arn']}/authorizers/{each['id']}"))
    (rest,) = state.of("aws_api_gateway_rest_api")
    needed.add((FUNCTIONS["stream"], f"{rest['execution_arn']}/live/*"))
    found = state.of("aws_lambda_permission")
    yield from same("who may be called", {(each["function_name"], each["source_arn"]) for each in found}, needed)
    for each in found:
        wanted = {"principal": "apigateway.amazonaws.com", "action": "lambda:InvokeFunction", "qualifier": "live"}
        yield from must(f"permission {each['statement_id']}", each, **wanted)


def _invoked(state: State, folder: str) -> str:
    prefix = "arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/"
    return f"{prefix}{live(state, folder)}/invocations"


_ALL: tuple[Expectation, ...] = (kinds, functions, environment, aliases, layers, api, throttling)
_ALL += (given, access_log, routes, authorizers, integrations, permissions)
COMPUTE: dict[str, Expectation] = {each.__name__: each for each in _ALL}
