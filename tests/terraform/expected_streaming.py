"""The REST API, which is the streaming door: see expected.py."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.terraform.applied import State
from tests.terraform.expected import PREFIX, REGION, Expectation, arn, live, must, one, same

# The answers that API Gateway gives itself at that door: kind -> status (null keeps AWS's).
ANSWERS = {
    "DEFAULT_4XX": None,
    "DEFAULT_5XX": None,
    "INTEGRATION_FAILURE": "503",
    "INTEGRATION_TIMEOUT": "504",
    "MISSING_AUTHENTICATION_TOKEN": "404",
    "REQUEST_TOO_LARGE": "413",
    "THROTTLED": "429",
    "WAF_FILTERED": "403",
}


def rest_api(state: State) -> Iterator[str]:
    (rest,) = state.of("aws_api_gateway_rest_api")
    wanted: dict[str, Any] = {"name": f"{PREFIX}-stream", "disable_execute_api_endpoint": {False, None}}
    # A body of 5 MiB is more than Lambda takes if it is in base64. A resource policy would shut callers out.
    wanted |= {"policy": {None, ""}, "api_key_source": {None, "HEADER"}, "body": None}
    yield from must("REST API", rest, **wanted)
    yield from same("REST API: binary", rest["binary_media_types"] or [], [])
    yield from same("REST API: where", one(rest["endpoint_configuration"]).get("types"), ["REGIONAL"])


def every_path(state: State) -> Iterator[str]:
    """All paths and methods go to the function, which checks the key itself. There is no authorizer."""
    (rest,) = state.of("aws_api_gateway_rest_api")
    (below,) = state.of("aws_api_gateway_resource")
    wanted: dict[str, Any] = {"rest_api_id": rest["id"], "parent_id": rest["root_resource_id"], "path_part": "{proxy+}"}
    yield from must("REST API: resource", below, **wanted)
    resources = {rest["root_resource_id"], below["id"]}
    for kind in ("aws_api_gateway_method", "aws_api_gateway_integration"):
        yield from same(f"{kind}: of", {each["resource_id"] for each in state.of(kind)}, resources)
    for method in state.of("aws_api_gateway_method"):
        wanted = {"rest_api_id": rest["id"], "http_method": "ANY", "authorization": "NONE"}
        wanted |= {"api_key_required": {False, None}, "authorizer_id": {None, ""}, "request_validator_id": {None, ""}}
        yield from must("REST API: method", method, **wanted)


def streaming(state: State) -> Iterator[str]:
    invoked = f"arn:aws:apigateway:{REGION}:lambda:path/2021-11-15/functions/{live(state, 'stream')}"
    for each in state.of("aws_api_gateway_integration"):
        wanted: dict[str, Any] = {"type": "AWS_PROXY", "integration_http_method": "POST", "http_method": "ANY"}
        wanted |= {"response_transfer_mode": "STREAM", "timeout_milliseconds": 900_000}
        wanted |= {"uri": f"{invoked}/response-streaming-invocations", "credentials": {None, ""}}
        yield from must("REST API: integration", each, **wanted)


def rest_stage(state: State) -> Iterator[str]:
    (rest,) = state.of("aws_api_gateway_rest_api")
    (deployment,) = state.of("aws_api_gateway_deployment")
    (stage,) = state.of("aws_api_gateway_stage")
    wanted: dict[str, Any] = {"stage_name": "live", "rest_api_id": rest["id"], "deployment_id": deployment["id"]}
    wanted |= {"xray_tracing_enabled": True, "cache_cluster_enabled": {False, None}, "variables": None}
    yield from must("REST API: stage", stage, **wanted)
    log = one(stage["access_log_settings"])
    group = arn(state, "logs", f"log-group:/aws/apigateway/{PREFIX}-stream")
    yield from must("REST API: access log", log, destination_arn=group)
    fields = set(json.loads(log["format"]).values()) if log else set()
    needed = {"$context.requestId", "$context.path", "$context.status", "$context.identity.sourceIp"}
    needed |= {"$context.integration.timeToFirstContent", "$context.error.message"}
    if needed - fields:
        yield f"REST API: access log: without {sorted(needed - fields)}"
    if secret := {each for each in fields if any(word in each.lower() for word in ("header", "body", "override"))}:
        yield f"REST API: access log: may hold a key: {sorted(secret)}"


def rest_limits(state: State) -> Iterator[str]:
    """Clients that flood this door get 429s: 50 requests a second are allowed, however many of the clients have a
    key."""
    (settings,) = state.of("aws_api_gateway_method_settings")
    yield from must("REST API: settings", settings, method_path="*/*", stage_name="live")
    limits: dict[str, Any] = {"throttling_rate_limit": 50, "throttling_burst_limit": 100, "metrics_enabled": False}
    # Neither bodies nor headers are ever logged.
    limits |= {"data_trace_enabled": False, "caching_enabled": {False, None}}
    yield from must("REST API: limits", one(settings["settings"]), **limits)


def rest_deployed(state: State) -> Iterator[str]:
    """The triggers of the deployment list all parts of the API, so that every change of them is deployed."""
    (deployment,) = state.of("aws_api_gateway_deployment")
    triggers = deployment["triggers"]
    yield from same("deployment: triggers", set(triggers), {"resource", "methods", "integrations", "responses"})
    for kind, name, trigger in (
        ("aws_api_gateway_resource", "path_part", "resource"),
        ("aws_api_gateway_method", "authorization", "methods"),
        ("aws_api_gateway_integration", "uri", "integrations"),
        ("aws_api_gateway_integration", "response_transfer_mode", "integrations"),
        ("aws_api_gateway_integration", "timeout_milliseconds", "integrations"),
        ("aws_api_gateway_gateway_response", "response_type", "responses"),
    ):
        for each in state.of(kind):
            if str(each[name]) not in triggers[trigger]:
                yield f"deployment: a changed {name} of {kind} is not deployed"


def own_answers(state: State) -> Iterator[str]:
    found = {each["response_type"]: each for each in state.of("aws_api_gateway_gateway_response")}
    yield from same("gateway responses", set(found), set(ANSWERS))
    for kind, each in found.items():
        yield from must(f"{kind}: status", each, status_code={ANSWERS.get(kind), ANSWERS.get(kind) or ""})
        (text,) = each["response_templates"].values()
        # API Gateway's own message comes with its quotation marks.
        said = json.loads(text.replace("$context.error.messageString", json.dumps("of AWS's own")))
        yield from same(f"{kind}: fields", set(said), {"type", "error", "message", "request_id"})
        yield from same(f"{kind}: error", set(said["error"]), {"type", "message", "param", "code"})
        yield from must(kind, said, type="error", request_id="$context.requestId", message=said["error"]["message"])
        headers = {name.rpartition(".")[2]: value for name, value in each["response_parameters"].items()}
        yield from must(f"{kind}: headers", headers, **{"x-request-id": "context.requestId"})
        yield from must(f"{kind}: headers", headers, **{"access-control-allow-origin": "'*'"})
        yield from same(f"{kind}: retry-after", headers.get("retry-after"), "'1'" if kind == "THROTTLED" else None)


_ALL: tuple[Expectation, ...] = (rest_api, every_path, streaming, rest_stage, rest_limits, rest_deployed, own_answers)
STREAMING: dict[str, Expectation] = {each.__name__: each for each in _ALL}
