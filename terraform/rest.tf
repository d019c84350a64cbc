# The streaming door: a REST API, because only this kind of API passes on an answer while it is being made. One resource takes
# every path. Paths begin with /v1 at the API's own address; a custom domain removes /v1, because the API is mapped to it. The
# function answers unknown routes and preflights itself, in the shape that the client reads.

locals {
  stage = "live"

  # Kind of an answer that API Gateway gives itself -> status, type, code and message. null keeps AWS's own value.
  gateway_responses = {
    DEFAULT_4XX                  = { status = null, type = "invalid_request_error", code = "bad_request", message = null }
    DEFAULT_5XX                  = { status = null, type = "api_error", code = "internal_error", message = null }
    INTEGRATION_FAILURE          = { status = "503", type = "api_error", code = "unavailable", message = "The gateway could not take the request; try again." }
    INTEGRATION_TIMEOUT          = { status = "504", type = "timeout_error", code = "timeout", message = "The answer took longer than the gateway may wait." }
    MISSING_AUTHENTICATION_TOKEN = { status = "404", type = "not_found_error", code = "not_found", message = "There is no such route." }
    REQUEST_TOO_LARGE            = { status = "413", type = "request_too_large", code = "request_too_large", message = "The body is larger than 5 MiB." }
    THROTTLED                    = { status = "429", type = "rate_limit_error", code = "rate_limit_exceeded", message = "The gateway takes no more requests just now. Please try again in 1s." }
    WAF_FILTERED                 = { status = "403", type = "permission_error", code = "forbidden", message = "The request was refused." }
  }

  rest_access_log = {
    request_id       = "$context.requestId"
    time             = "$context.requestTimeEpoch"
    method           = "$context.httpMethod"
    path             = "$context.path"
    status           = "$context.status"
    bytes            = "$context.responseLength"
    latency_ms       = "$context.responseLatency"
    integration_ms   = "$context.integration.latency"
    first_content_ms = "$context.integration.timeToFirstContent"
    error            = "$context.error.message"
    # The error that Lambda reported if it gave no answer: throttled, no right, crashed.
    integration_error = "$context.integrationErrorMessage"
    source_ip         = "$context.identity.sourceIp"
    trace_id          = "$context.xrayTraceId"
  }
}

resource "aws_api_gateway_rest_api" "stream" {
  name                         = "${local.prefix}-stream"
  description                  = "The streaming door of the AI model gateway, ${var.environment}"
  disable_execute_api_endpoint = try(var.custom_domain.only, false)

  # No binary media types, so bodies are passed as text: 5 MiB of text fit into Lambda's 6 MB, but not in base64.
  endpoint_configuration {
    types            = [var.stream_endpoint_type]
    vpc_endpoint_ids = local.private ? var.vpc_endpoint_ids : null
    # A private API can have only this type. If it is not set, the provider keeps the regional API's type, and refuses the plan.
    ip_address_type = local.private ? "dualstack" : null
  }
}

resource "aws_api_gateway_resource" "stream" {
  rest_api_id = aws_api_gateway_rest_api.stream.id
  parent_id   = aws_api_gateway_rest_api.stream.root_resource_id
  path_part   = "{proxy+}"
}

# The function checks the key itself (docs/decisions/0047).
resource "aws_api_gateway_method" "stream" {
  #checkov:skip=CKV2_AWS_53:the function checks each body against its schema, and reports errors in the client's dialect

  for_each = {
    root = aws_api_gateway_rest_api.stream.root_resource_id
    path = aws_api_gateway_resource.stream.id
  }

  rest_api_id   = aws_api_gateway_rest_api.stream.id
  resource_id   = each.value
  http_method   = "ANY"
  authorization = "NONE"
}

resource "aws_api_gateway_integration" "stream" {
  for_each = aws_api_gateway_method.stream

  rest_api_id             = aws_api_gateway_rest_api.stream.id
  resource_id             = each.value.resource_id
  http_method             = each.value.http_method
  type                    = "AWS_PROXY"
  integration_http_method = "POST"
  # This is written out, because the oldest provider that we allow lacks an attribute for it, and that attribute is wrong for an
  # alias.
  uri                    = "arn:${local.partition}:apigateway:${var.region}:lambda:path/2021-11-15/functions/${module.function[local.streaming].alias_arn}/response-streaming-invocations"
  response_transfer_mode = "STREAM"
  timeout_milliseconds   = local.stream_wait_seconds * 1000
}

resource "aws_api_gateway_gateway_response" "stream" {
  for_each = local.gateway_responses

  rest_api_id   = aws_api_gateway_rest_api.stream.id
  response_type = each.key
  status_code   = each.value.status

  # One text that clients of both dialects can read: `type` and `request_id` are fields of Messages, `param` and `code` of chat.
  response_templates = {
    "application/json" = replace(jsonencode({
      type       = "error"
      error      = { type = each.value.type, message = coalesce(each.value.message, "$context.error.message"), param = null, code = each.value.code }
      message    = coalesce(each.value.message, "$context.error.message")
      request_id = "$context.requestId"
      # AWS's own message comes with its quotation marks, so ours are removed.
    }), "\"$context.error.message\"", "$context.error.messageString")
  }

  response_parameters = merge(
    { "gatewayresponse.header.x-request-id" = "context.requestId" },
    each.key == "THROTTLED" ? { "gatewayresponse.header.retry-after" = "'1'" } : {},
    # Answers of API Gateway itself contain no secrets. So if any page may call the API, every page may read them.
    length(var.cors_allow_origins) == 0 ? {} : {
      "gatewayresponse.header.access-control-allow-origin"   = "'*'"
      "gatewayresponse.header.access-control-expose-headers" = "'retry-after,x-request-id'"
    },
  )
}

resource "aws_api_gateway_deployment" "stream" {
  rest_api_id = aws_api_gateway_rest_api.stream.id
  description = "The parts of the API that the triggers list"

  # A REST API uses the settings that were deployed last. So every setting of the API in this file must be listed here too.
  triggers = merge({
    resource     = "${aws_api_gateway_resource.stream.id} ${aws_api_gateway_resource.stream.path_part}"
    methods      = jsonencode([for method in aws_api_gateway_method.stream : [method.http_method, method.authorization]])
    integrations = jsonencode([for each in aws_api_gateway_integration.stream : [each.type, each.uri, each.response_transfer_mode, each.timeout_milliseconds]])
    responses    = jsonencode([for each in aws_api_gateway_gateway_response.stream : [each.response_type, each.status_code, each.response_templates, each.response_parameters]])
    # AWS refuses to deploy a private API that has no policy yet.
  }, { for each in aws_api_gateway_rest_api_policy.stream : "policy" => each.policy })

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_api_gateway_stage" "stream" {
  #checkov:skip=CKV_AWS_120:a model's answer is only for the caller who asked, and a stream can't be cached
  #checkov:skip=CKV2_AWS_29:a web ACL costs 6 dollars a month and 0.60 a million requests; the variable web_acl_arn names one
  #checkov:skip=CKV2_AWS_4:AWS writes no execution log for a method that streams; each request is in the access log
  #checkov:skip=CKV2_AWS_51:callers have keys; we do not issue certificates for their machines

  rest_api_id          = aws_api_gateway_rest_api.stream.id
  deployment_id        = aws_api_gateway_deployment.stream.id
  stage_name           = local.stage
  description          = var.environment
  xray_tracing_enabled = true

  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.stream_access.arn
    format          = jsonencode(local.rest_access_log)
  }

  # API Gateway refuses a stage that logs if the account has no role for it.
  depends_on = [aws_api_gateway_account.this]
}

resource "aws_api_gateway_method_settings" "stream" {
  #checkov:skip=CKV_AWS_225:a model's answer is only for the caller who asked, and a stream can't be cached

  rest_api_id = aws_api_gateway_rest_api.stream.id
  stage_name  = aws_api_gateway_stage.stream.stage_name
  method_path = "*/*"

  settings {
    metrics_enabled        = var.detailed_route_metrics
    logging_level          = "OFF" # AWS writes no execution logs for streams
    data_trace_enabled     = false
    throttling_rate_limit  = var.stream.rate
    throttling_burst_limit = var.stream.burst
  }
}

resource "aws_cloudwatch_log_group" "stream_access" {
  #checkov:skip=CKV_AWS_158:AWS's own keys encrypt everything unless kms_key_arn names a key: a customer-managed key costs money and needs care

  name              = "/aws/apigateway/${local.prefix}-stream"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_lambda_permission" "stream" {
  statement_id  = "Stream"
  action        = "lambda:InvokeFunction" # an invocation that streams needs the same right
  function_name = module.function[local.streaming].name
  qualifier     = module.function[local.streaming].alias
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_api_gateway_rest_api.stream.execution_arn}/${local.stage}/*"
}

resource "aws_wafv2_web_acl_association" "stream" {
  count = var.web_acl_arn == null ? 0 : 1

  resource_arn = aws_api_gateway_stage.stream.arn
  web_acl_arn  = var.web_acl_arn
}

# On a custom domain the longest path wins: /v1/* leads to this door, and all other paths lead to the HTTP API.
resource "aws_apigatewayv2_api_mapping" "stream" {
  count = length(aws_apigatewayv2_domain_name.this)

  api_id          = aws_api_gateway_rest_api.stream.id
  domain_name     = aws_apigatewayv2_domain_name.this[count.index].domain_name
  stage           = aws_api_gateway_stage.stream.stage_name
  api_mapping_key = "v1"
}

# REST APIs write logs with one role, which an account has once in each region (variable api_gateway_log_role).
resource "aws_iam_role" "api_logs" {
  count = local.own_log_role ? 1 : 0

  name                 = "${local.prefix}-api-logs"
  path                 = var.iam_path
  permissions_boundary = var.permissions_boundary_arn
  description          = "API Gateway uses it to write the access logs of this account's REST APIs in ${var.region}"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "apigateway.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy_attachment" "api_logs" {
  count = length(aws_iam_role.api_logs)

  role       = aws_iam_role.api_logs[count.index].name
  policy_arn = "arn:${local.partition}:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"
}

resource "aws_api_gateway_account" "this" {
  count = length(aws_iam_role_policy_attachment.api_logs)

  cloudwatch_role_arn = aws_iam_role.api_logs[count.index].arn

  # API Gateway tests the role when it is set.
  depends_on = [aws_iam_role_policy_attachment.api_logs]
}
