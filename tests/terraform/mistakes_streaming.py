"""Deliberate mistakes at the streaming door. See mistakes.py."""

from __future__ import annotations

from tests.terraform.mistakes import Change, Mistake, in_

STREAMED: dict[str, Mistake] = {
    "streams are held back until they end": Mistake(
        in_("rest.tf", '= "STREAM"', '= "BUFFERED"'),
        r'integration.stream.*\+ response_transfer_mode = "BUFFERED"',
        "streaming",
        r"integration: response_transfer_mode is 'BUFFERED'",
    ),
    "streams come by whatever is newest": Mistake(
        in_(
            "rest.tf",
            "module.function[local.streaming].alias_arn}",
            'replace(module.function[local.streaming].alias_arn, ":live", "")}',
        ),
        r"integration.stream.*\+ uri = .*-stream/response-streaming",
        "streaming",
        r"integration: uri is .*-stream/response-streaming",
    ),
    "bodies come in base64": Mistake(
        in_("rest.tf", "  # No binary media types,", '  binary_media_types = ["*/*"]\n  # No binary media types,'),
        r"\+ binary_media_types = ",
        "rest_api",
    ),
    "only AWS's own may stream": Mistake(
        in_("rest.tf", 'authorization = "NONE"', 'authorization = "AWS_IAM"'),
        r'method.stream.*\+ authorization = "AWS_IAM"',
        "every_path",
    ),
    "a changed API is not deployed": Mistake(
        in_("rest.tf", "each.response_transfer_mode, each.timeout_milliseconds]", "each.response_transfer_mode]"),
        r'deployment.stream: \+ triggers.integrations.*-invocations", "\w+"\]',
        "rest_deployed",
    ),
    "a flood of bad keys is let in": Mistake(
        in_("rest.tf", "= var.stream.rate", "= 10000"),
        r"\+ settings\[0\].throttling_rate_limit = 10000",
        "rest_limits",
        r"throttling_rate_limit is 10000",
    ),
    "prompts are logged": Mistake(
        in_("rest.tf", "data_trace_enabled     = false", "data_trace_enabled     = true"),
        r"\+ settings\[0\].data_trace_enabled = true",
        "rest_limits",
        r"data_trace_enabled is True",
    ),
    "streams are not traced": Mistake(
        in_("rest.tf", "xray_tracing_enabled = true", "xray_tracing_enabled = false"),
        r"\+ xray_tracing_enabled = false",
        "rest_stage",
        r"xray_tracing_enabled is False",
    ),
    "nobody knows when a stream began": Mistake(
        in_("rest.tf", '    first_content_ms = "$context.integration.timeToFirstContent"\n', ""),
        r"- access_log_settings\[0\].format\{\}.first_content_ms",
        "rest_stage",
        r"access log: without \['\$context.integration.timeToFirstContent'\]",
    ),
    "what is refused has no id": Mistake(
        in_("rest.tf", '"gatewayresponse.header.x-request-id" = "context.requestId"', ""),
        r"- response_parameters.gatewayresponse.header.x-request-id",
        "own_answers",
        r"DEFAULT_4XX: headers: x-request-id is None",
    ),
    "a throttled caller is told of a fault": Mistake(
        in_("rest.tf", 'status = "429"', 'status = "500"'),
        r'THROTTLED.*\+ status_code = "500"',
        "own_answers",
        r"THROTTLED: status: status_code is '500'",
    ),
    "any API of the account may stream": Mistake(
        in_(
            "rest.tf",
            "${aws_api_gateway_rest_api.stream.execution_arn}/${local.stage}/*",
            '${replace(aws_api_gateway_rest_api.stream.execution_arn, aws_api_gateway_rest_api.stream.id, "*")}/*',
        ),
        r'lambda_permission.stream: \+ source_arn = .*:\*/\*"',
        "permissions",
        r"who may be called: .*:\*/\*'\) is not expected",
    ),
    "the role for logs may do anything": Mistake(
        in_("rest.tf", "service-role/AmazonAPIGatewayPushToCloudWatchLogs", "AdministratorAccess"),
        r"\+ policy_arn = .*AdministratorAccess",
        "log_role",
    ),
    "the custom domain streams nothing": Mistake(
        in_("rest.tf", 'api_mapping_key = "v1"', 'api_mapping_key = "stream"'),
        r'options: .*\+ api_mapping_key = "stream"',
        "domain",
        r"'stream', .* is not expected",
    ),
    "an adapter that nobody tried": Mistake(
        Change("shared/adapter.json", '"version": 30', '"version": 31'),
        r"\+ layers.*LambdaAdapterLayerArm64:31",
        "functions",
        r"LambdaAdapterLayerArm64:31'\], not",
    ),
    "the adapter waits for the whole answer": Mistake(
        Change("shared/adapter.json", '"response_stream"', '"buffered"'),
        r'\["stream"\].*\+ .*AWS_LWA_INVOKE_MODE = "buffered"',
        "environment",
        r"'AWS_LWA_INVOKE_MODE': 'buffered'",
    ),
}

# Mistakes that only the plan of a private door shows (expected_private.py).
PRIVATE: dict[str, Mistake] = {
    "a private door without its deny": Mistake(
        in_("private.tf", "for ids in local.private ? [var.vpc_endpoint_ids] : []", "for ids in []"),
        "",
        "private_policy",
    ),
    "a private door for every endpoint of anybody": Mistake(
        in_("private.tf", '"aws:SourceVpce" = ids', '"aws:SourceVpce" = ["*"]'), "", "private_policy"
    ),
    "a private door on the internet": Mistake(
        in_("rest.tf", "types            = [var.stream_endpoint_type]", 'types            = ["REGIONAL"]'),
        "",
        "private_api",
    ),
    "a changed policy is not deployed": Mistake(
        in_("rest.tf", '"policy" => each.policy }', '"policy" => each.id }'), "", "private_deployed"
    ),
    "an address that only private DNS knows": Mistake(in_("private.tf", "}-${id}.", "}."), "", "private_addresses"),
    "the other door stays open": Mistake(in_("api.tf", "var.http_api_closed || try(", "try("), "", "closed"),
}
