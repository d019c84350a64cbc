# The streaming door. Run for prod: what it sets itself decides.

variables {
  alarms_subscribed_elsewhere = true # otherwise the plan of an environment with alarms gives a warning, which is a failure here
}

override_data {
  target = data.aws_servicequotas_service_quota.concurrency
  values = { value = 100000 }
}

run "streams" {
  command = plan

  assert {
    condition     = toset(keys(aws_api_gateway_integration.stream)) == toset(["path", "root"]) && alltrue([for each in aws_api_gateway_integration.stream : each.response_transfer_mode == "STREAM" && each.timeout_milliseconds == 900000])
    error_message = "The answers of all paths are passed on as they come, for up to 15 minutes."
  }

  assert {
    condition     = alltrue([for method in aws_api_gateway_method.stream : method.http_method == "ANY" && method.authorization == "NONE"])
    error_message = "The function checks the key itself, and answers preflights and unknown paths."
  }

  assert {
    condition     = local.function_environment["stream"]["GATEWAY_STREAM_SECONDS"] == "890" && local.function_environment["stream"]["AWS_LWA_INVOKE_MODE"] == "response_stream" && alltrue([for name in keys(local.adapter.environment) : startswith(name, "AWS_LWA_") || name == "AWS_LAMBDA_EXEC_WRAPPER"])
    error_message = "A stream ends 10 seconds before its function, and the adapter's variables have their own prefix."
  }

  assert {
    condition     = local.adapter_layer == "arn:aws:lambda:${var.region}:753240598075:layer:LambdaAdapterLayerArm64:30"
    error_message = "The adapter is AWS's public layer for arm64."
  }

  assert {
    condition     = length(keys(local.function_environment["health"])) < length(keys(local.function_environment["stream"])) && !contains(keys(local.function_environment["completions"]), "AWS_LAMBDA_EXEC_WRAPPER")
    error_message = "Only the streaming door is a server."
  }

  assert {
    condition     = aws_api_gateway_stage.stream.xray_tracing_enabled && one(aws_api_gateway_stage.stream.access_log_settings).format == jsonencode(local.rest_access_log) && one(aws_api_gateway_method_settings.stream.settings).throttling_rate_limit == var.stream.rate
    error_message = "The stage traces, logs and limits requests."
  }

  assert {
    condition     = toset([for statement in local.statements_on_models["stream"] : statement.Sid]) == toset(["ModelsBedrock", "ModelsBedrockById", "ModelsBedrockByProfile"]) && alltrue([for statement in local.statements_on_models["stream"] : join(" ", statement.Action) == (statement.Sid == "ModelsBedrockById" ? "bedrock:CountTokens" : "bedrock:InvokeModel bedrock:InvokeModelWithResponseStream")])
    error_message = "This door may call models with streaming, and count tokens with their own ids."
  }

  assert {
    condition     = length(aws_api_gateway_account.this) == 1 && length(aws_apigatewayv2_api_mapping.stream) == 0
    error_message = "The role for logs is set, and no domain was asked for."
  }
}

run "an_older_provider_and_pages_of_nobody" {
  command = plan

  variables {
    stream               = { wait_seconds = 300 }
    cors_allow_origins   = []
    api_gateway_log_role = "account"
    custom_domain        = { name = "api.example.com", certificate_arn = "arn:aws:acm:eu-central-1:123456789012:certificate/1" }
  }

  assert {
    condition     = alltrue([for each in aws_api_gateway_integration.stream : each.timeout_milliseconds == 300000]) && local.function_environment["stream"]["GATEWAY_STREAM_SECONDS"] == "290"
    error_message = "The time that API Gateway waits limits the longest stream."
  }

  assert {
    condition     = alltrue([for each in aws_api_gateway_gateway_response.stream : !contains(keys(each.response_parameters), "gatewayresponse.header.access-control-allow-origin")]) && !contains(keys(local.function_environment["stream"]), "GATEWAY_CORS_ORIGINS")
    error_message = "Without origins there is no CORS."
  }

  assert {
    condition     = length(aws_api_gateway_account.this) == 0 && length(aws_iam_role.api_logs) == 0
    error_message = "The account's role is not managed here."
  }

  assert {
    condition     = output.stream_url == output.url && aws_apigatewayv2_api_mapping.stream[0].api_mapping_key == "v1" && aws_api_gateway_rest_api.stream.disable_execute_api_endpoint
    error_message = "On a custom domain, /v1/* leads to this door."
  }
}

run "nobody_asked_for_a_private_door" {
  command = plan

  assert {
    condition     = length(aws_api_gateway_rest_api_policy.stream) == 0 && !contains(keys(aws_api_gateway_deployment.stream.triggers), "policy") && one(aws_api_gateway_rest_api.stream.endpoint_configuration).types == tolist(["REGIONAL"])
    error_message = "The door is regional, and no policy limits its callers."
  }

  assert {
    condition     = output.stream_private_urls == null && !aws_apigatewayv2_api.this.disable_execute_api_endpoint
    error_message = "Both doors answer at their own addresses."
  }
}

run "a_private_door_and_no_other" {
  command = plan

  variables {
    stream_endpoint_type = "PRIVATE"
    vpc_endpoint_ids     = ["vpce-0123456789abcdef0", "vpce-0abc1234"]
    http_api_closed      = true
    web_acl_arn          = "arn:aws:wafv2:eu-central-1:123456789012:regional/webacl/streams/1"
  }

  assert {
    condition     = one(aws_api_gateway_rest_api.stream.endpoint_configuration).types == tolist(["PRIVATE"]) && one(aws_api_gateway_rest_api.stream.endpoint_configuration).vpc_endpoint_ids == toset(var.vpc_endpoint_ids) && !aws_api_gateway_rest_api.stream.disable_execute_api_endpoint
    error_message = "The API is private, and has a name for each endpoint."
  }

  assert {
    condition     = length(local.stream_policy) == 2 && local.stream_policy[0].Effect == "Allow" && local.stream_policy[1].Effect == "Deny" && local.stream_policy[1].Condition.StringNotEquals["aws:SourceVpce"] == var.vpc_endpoint_ids && length(aws_api_gateway_rest_api_policy.stream) == 1
    error_message = "Calls that come by another way than the named endpoints are refused."
  }

  assert {
    condition     = contains(keys(aws_api_gateway_deployment.stream.triggers), "policy")
    error_message = "A changed policy is deployed."
  }

  assert {
    condition     = toset(keys(output.stream_private_urls)) == toset(var.vpc_endpoint_ids)
    error_message = "There is an address for each endpoint."
  }

  assert {
    condition     = aws_apigatewayv2_api.this.disable_execute_api_endpoint && length(aws_wafv2_web_acl_association.stream) == 1
    error_message = "The HTTP API is closed, and the web ACL protects the private door too."
  }
}

run "back_from_a_private_door" {
  command = plan

  variables {
    vpc_endpoint_ids = ["vpce-0123456789abcdef0"]
  }

  assert {
    condition     = local.stream_policy[*].Effect == ["Allow"] && length(aws_api_gateway_rest_api_policy.stream) == 1 && output.stream_private_urls == null
    error_message = "A regional door with endpoints that are still named lets everybody in."
  }
}

run "a_private_door_without_a_way_to_it" {
  command = plan

  variables {
    stream_endpoint_type = "PRIVATE"
  }

  expect_failures = [terraform_data.preflight]
}

run "a_public_domain_of_a_private_door" {
  command = plan

  variables {
    stream_endpoint_type = "PRIVATE"
    vpc_endpoint_ids     = ["vpce-0123456789abcdef0"]
    custom_domain        = { name = "api.example.com", certificate_arn = "arn:aws:acm:eu-central-1:123456789012:certificate/1" }
  }

  expect_failures = [terraform_data.preflight]
}

run "a_domain_of_a_closed_door" {
  command = plan

  variables {
    http_api_closed = true
    custom_domain   = { name = "api.example.com", certificate_arn = "arn:aws:acm:eu-central-1:123456789012:certificate/1" }
  }

  expect_failures = [terraform_data.preflight]
}

run "a_stream_that_outlasts_its_function" {
  command = plan

  variables {
    stream = { seconds = 895 }
  }

  expect_failures = [terraform_data.preflight]
}

run "an_adapter_of_another_region" {
  command = plan

  variables {
    adapter_layer_arn = "arn:aws:lambda:us-west-1:123456789012:layer:adapter:1"
  }

  expect_failures = [terraform_data.preflight]
}

run "more_streams_than_executions" {
  command = plan

  variables {
    expected_load = { keys = {}, streams = 100001 }
  }

  expect_failures = [check.lambda_concurrency]
}
