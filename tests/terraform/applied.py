"""A gateway's facts, by section, read from an applied Terraform state."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.terraform.forms import Facts, anonymous, function_of, layer_name, statements, unordered


@dataclass(frozen=True, slots=True)
class State:
    """The output of `terraform show -json` for an applied state."""

    document: Mapping[str, Any]

    def resources(self) -> Iterator[dict[str, Any]]:
        """Every managed resource."""

        def below(module: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
            yield from module.get("resources", [])
            for child in module.get("child_modules", []):
                yield from below(child)

        return (resource for resource in below(self.document["values"]["root_module"]) if resource["mode"] == "managed")

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The values of every resource of a type."""
        return [resource["values"] for resource in self.resources() if resource["type"] == kind]

    def environment(self) -> dict[str, str]:
        """Every environment variable that any function gets."""
        given: dict[str, str] = {}
        for function in self.of("aws_lambda_function"):
            given |= function["environment"][0]["variables"]
        return given

    @property
    def place(self) -> tuple[str, str]:
        """Region and account."""
        (api,) = self.of("aws_apigatewayv2_api")
        region, account = api["execution_arn"].split(":")[3:5]
        return region, account


def facts(state: State) -> Facts:
    """Section -> thing -> its facts. Two gateways are the same if these are equal."""
    return {section: read(state) for section, read in SECTIONS.items()}


def _routes(state: State) -> dict[str, Any]:
    kinds = {authorizer["id"]: authorizer["name"] for authorizer in state.of("aws_apigatewayv2_authorizer")}
    functions = {item["id"]: function_of(item["integration_uri"]) for item in state.of("aws_apigatewayv2_integration")}
    return {
        route["route_key"]: (
            route["authorization_type"],
            kinds.get(route["authorizer_id"] or ""),
            functions[route["target"].partition("/")[2]],
        )
        for route in state.of("aws_apigatewayv2_route")
    }


def _authorizers(state: State) -> dict[str, Any]:
    return {
        item["name"]: (
            item["authorizer_type"],
            item["identity_sources"],
            item["authorizer_result_ttl_in_seconds"],
            item["authorizer_payload_format_version"],
            item["enable_simple_responses"],
            function_of(item["authorizer_uri"]),
        )
        for item in state.of("aws_apigatewayv2_authorizer")
    }


def _integrations(state: State) -> dict[str, Any]:
    return {
        function_of(item["integration_uri"]): (
            item["integration_type"],
            item["payload_format_version"],
            item["timeout_milliseconds"],
        )
        for item in state.of("aws_apigatewayv2_integration")
    }


def _cors(state: State) -> dict[str, Any]:
    (api,) = state.of("aws_apigatewayv2_api")
    (cors,) = api["cors_configuration"]
    return {
        part: sorted(cors[part]) for part in ("allow_origins", "allow_methods", "allow_headers", "expose_headers")
    } | {"max_age": cors["max_age"]}


def _functions(state: State) -> dict[str, Any]:
    aliases = {alias["function_name"]: alias["name"] for alias in state.of("aws_lambda_alias")}
    return {
        function["function_name"]: {
            "handler": function["handler"],
            "description": function["description"],
            "memory": function["memory_size"],
            "timeout": function["timeout"],
            # The adapter's layer belongs to another account; an emulator without Lambda has no such layer.
            "layers": [layer_name(arn) for arn in function["layers"] if arn.split(":")[4] == state.place[1]],
            "tracing": function["tracing_config"][0]["mode"],
            "environment": function["environment"][0]["variables"],
            "alias": aliases[function["function_name"]],
            "log group": function["logging_config"][0]["log_group"],
        }
        for function in state.of("aws_lambda_function")
    }


def _policies(state: State) -> dict[str, Any]:
    functions = {function["function_name"] for function in state.of("aws_lambda_function")}
    policies = {policy["role"]: statements(policy["policy"]) for policy in state.of("aws_iam_role_policy")}
    return {role: rights for role, rights in policies.items() if role in functions}


def _trust(state: State) -> dict[str, Any]:
    functions = {function["function_name"] for function in state.of("aws_lambda_function")}
    roles = {role["name"]: json.loads(role["assume_role_policy"])["Statement"] for role in state.of("aws_iam_role")}
    return {role: trusted for role, trusted in roles.items() if role in functions}


def _permissions(state: State) -> dict[str, Any]:
    (api,) = state.of("aws_apigatewayv2_api")
    authorizers = {item["id"]: item["name"] for item in state.of("aws_apigatewayv2_authorizer")}
    (rest,) = state.of("aws_api_gateway_rest_api")
    facts: dict[str, Any] = {}
    for item in state.of("aws_lambda_permission"):
        if rest["id"] in item["source_arn"]:
            continue  # the server behind the REST API is checked elsewhere
        source = anonymous(item["source_arn"], api["id"], authorizers)
        facts.setdefault(item["function_name"], []).append(
            (item["principal"], item["action"], item["qualifier"], source)
        )
    return {name: sorted(permissions) for name, permissions in facts.items()}


def _tables(state: State) -> dict[str, Any]:
    return {
        table["name"]: {
            "key": [key for key in (table["hash_key"], table["range_key"]) if key],
            "attributes": {attribute["name"]: attribute["type"] for attribute in table["attribute"]},
            "indexes": {
                index["name"]: (
                    [key for key in (index["hash_key"], index["range_key"]) if key],
                    index["projection_type"],
                )
                for index in table["global_secondary_index"]
            },
            "stream": table["stream_view_type"] or None,
            "ttl": next((ttl["attribute_name"] for ttl in table["ttl"] if ttl["enabled"]), None),
            "billing": table["billing_mode"],
        }
        for table in state.of("aws_dynamodb_table")
    }


def _sources(state: State) -> dict[str, Any]:
    return {
        function_of(source["function_name"]): {
            "table": source["event_source_arn"].split("/")[1],
            "start": source["starting_position"],
            "batch": (source["batch_size"], source["maximum_batching_window_in_seconds"]),
            "filters": unordered(json.loads(each["pattern"]) for each in source["filter_criteria"][0]["filter"]),
            "answers": source["function_response_types"],
            "bisect": source["bisect_batch_on_function_error"],
            "failures": source["destination_config"][0]["on_failure"][0]["destination_arn"],
        }
        for source in state.of("aws_lambda_event_source_mapping")
    }


def _schedules(state: State) -> dict[str, Any]:
    return {
        function_of(schedule["target"][0]["arn"]): schedule["schedule_expression"]
        for schedule in state.of("aws_scheduler_schedule")
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
