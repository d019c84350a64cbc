"""Prod with a streaming door that is reached only from a VPC, and a closed HTTP API: see expected.py."""

from __future__ import annotations

import json
from collections.abc import Iterator

from tests.terraform.applied import State
from tests.terraform.expected import REGION, Expectation, must, one, same

ENDPOINTS = ["vpce-0123456789abcdef0", "vpce-0abc1234"]
# Arguments of `terraform plan` in addition to prod's.
VARIABLES = (
    "-var=stream_endpoint_type=PRIVATE",
    f"-var=vpc_endpoint_ids={json.dumps(ENDPOINTS)}",
    "-var=http_api_closed=true",
)


def private_api(state: State) -> Iterator[str]:
    (rest,) = state.of("aws_api_gateway_rest_api")
    where = one(rest["endpoint_configuration"])
    yield from same("REST API: where", where.get("types"), ["PRIVATE"])
    yield from must("REST API: addresses", where, ip_address_type="dualstack")
    # For each of them, AWS makes a name by which the API is called from the endpoint's VPC.
    yield from same("REST API: endpoints", set(where.get("vpc_endpoint_ids") or ()), set(ENDPOINTS))
    # The endpoints lead to the API's own address.
    yield from must("REST API", rest, disable_execute_api_endpoint={False, None})


def private_policy(state: State) -> Iterator[str]:
    """Calls through the named endpoints are let in, and an explicit deny refuses all others, whoever signs them."""
    (rest,) = state.of("aws_api_gateway_rest_api")
    (policy,) = state.of("aws_api_gateway_rest_api_policy")
    yield from must("policy", policy, rest_api_id=rest["id"])
    everything = {"Principal": "*", "Action": "execute-api:Invoke", "Resource": f"{rest['execution_arn']}/*"}
    elsewhere = {"StringNotEquals": {"aws:SourceVpce": ENDPOINTS}}
    wanted = [everything | {"Effect": "Allow"}, everything | {"Effect": "Deny", "Condition": elsewhere}]
    found = json.loads(policy["policy"])
    statements = [{name: value for name, value in each.items() if name != "Sid"} for each in found["Statement"]]
    yield from same("policy: statements", statements, wanted)


def private_deployed(state: State) -> Iterator[str]:
    """A policy takes effect when it is deployed."""
    (policy,) = state.of("aws_api_gateway_rest_api_policy")
    (deployment,) = state.of("aws_api_gateway_deployment")
    if policy["policy"] not in deployment["triggers"].values():
        yield "deployment: a changed policy is not deployed"


def private_addresses(state: State) -> Iterator[str]:
    (rest,) = state.of("aws_api_gateway_rest_api")
    at = f"execute-api.{REGION}.amazonaws.com/live"
    urls = {each: f"https://{rest['id']}-{each}.{at}" for each in ENDPOINTS}
    outputs = {name: each.get("value") for name, each in state.document["values"]["outputs"].items()}
    first = urls[ENDPOINTS[0]]
    wanted = {"stream_url": first, "url": first, "openai_base_url": f"{first}/v1"}
    yield from must("outputs", outputs, **wanted)
    yield from same("output stream_private_urls", outputs.get("stream_private_urls"), urls)


def closed(state: State) -> Iterator[str]:
    """Nothing answers on the internet: the HTTP API's own address is off, and there is no domain name."""
    (gateway,) = state.of("aws_apigatewayv2_api")
    yield from must("API", gateway, disable_execute_api_endpoint=True)
    yield from same("domains", state.of("aws_apigatewayv2_domain_name"), [])


_ALL = (private_api, private_policy, private_deployed, private_addresses, closed)
PRIVATE: dict[str, Expectation] = {each.__name__: each for each in _ALL}
