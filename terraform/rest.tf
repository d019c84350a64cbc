# The door that streams: a REST API, the only kind that hands on an answer as it is made. One resource takes every path:
# they come with /v1 by the API's own address and without it by a custom domain, which strips what it maps by. What is no
# route, and each preflight, the function answers in the shape that the client reads.

locals {
  stage = "live"

  # Kinds of what API Gateway answers itself -> status, type, code and words. null leaves what AWS chose.
  gateway_responses = {
    DEFAULT_4XX                  = { status = null, type = "invalid_request_error", code = "bad_request", message = null }
    DEFAULT_5XX                  = { status = null, type = "api_error", code = "internal_error", message = null }
    INTEGRATION_FAILURE          = { status = "503", type = "api_error", code = "unavailable", message = "The gateway could not take the request; try again." }
    INTEGRATION_TIMEOUT          = { status = "504", type = "timeout_error", code = "timeout", message = "The answer took longer than may be waited for." }
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
    # What Lambda said where it gave no answer: throttled, no right, crashed.
    integration_error = "$context.integrationErrorMessage"
    source_ip         = "$context.identity.sourceIp"
    trace_id          = "$context.xrayTraceId"
  }
}

resource "aws_api_gateway_rest_api" "stream" {
  name                         = "${local.prefix}-stream"
  description                  = "The AI model gateway's door that streams, ${var.environment}"
  disable_execute_api_endpoint = try(var.custom_domain.only, false)

  # No binary media types: bodies come as text then, and 5 MiB of them fit into Lambda's 6 MB, which base64 of them do not.
  endpoint_configuration {
    types = ["REGIONAL"]
  }
}

resource "aws_api_gateway_resource" "stream" {
  rest_api_id = aws_api_gateway_rest_api.stream.id
  parent_id   = aws_api_gateway_rest_api.stream.root_resource_id
  path_part   = "{proxy+}"
}

# The function asks for the key itself (docs/decisions/0047).
resource "aws_api_gateway_method" "stream" {
  #checkov:skip=CKV2_AWS_53:the function reads each body by its schema, and tells what is wrong in the dialect of the client

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
  # By hand: the provider's own attribute for it is younger than the releases that this allows, and wrong for an alias.
  uri                    = "arn:${local.partition}:apigateway:${var.region}:lambda:path/2021-11-15/functions/${module.function[local.streaming].alias_arn}/response-streaming-invocations"
  response_transfer_mode = "STREAM"
  timeout_milliseconds   = local.stream_wait_seconds * 1000
}

resource "aws_api_gateway_gateway_response" "stream" {
  for_each = local.gateway_responses

  rest_api_id   = aws_api_gateway_rest_api.stream.id
  response_type = each.key
  status_code   = each.value.status

  # One text that the clients of both dialects read: `type` and `request_id` are Messages', `param` and `code` chat's.
  response_templates = {
    "application/json" = replace(jsonencode({
      type       = "error"
      error      = { type = each.value.type, message = coalesce(each.value.message, "$context.error.message"), param = null, code = each.value.code }
      message    = coalesce(each.value.message, "$context.error.message")
      request_id = "$context.requestId"
      # AWS's own words are a string with its quotation marks: ours around it are taken away.
    }), "\"$context.error.message\"", "$context.error.messageString")
  }

  response_parameters = merge(
    { "gatewayresponse.header.x-request-id" = "context.requestId" },
    each.key == "THROTTLED" ? { "gatewayresponse.header.retry-after" = "'1'" } : {},
    # What API Gateway says itself is nobody's secret: every page may read it where any may call.
    length(var.cors_allow_origins) == 0 ? {} : {
      "gatewayresponse.header.access-control-allow-origin"   = "'*'"
      "gatewayresponse.header.access-control-expose-headers" = "'retry-after,x-request-id'"
    },
  )
}

resource "aws_api_gateway_deployment" "stream" {
  rest_api_id = aws_api_gateway_rest_api.stream.id
  description = "What the API is made of, as it stands in the triggers"

  # A REST API answers by what was deployed last: whatever is said of it here has to stand here too.
  triggers = {
    resource     = "${aws_api_gateway_resource.stream.id} ${aws_api_gateway_resource.stream.path_part}"
    methods      = jsonencode([for method in aws_api_gateway_method.stream : [method.http_method, method.authorization]])
    integrations = jsonencode([for each in aws_api_gateway_integration.stream : [each.type, each.uri, each.response_transfer_mode, each.timeout_milliseconds]])
    responses    = jsonencode([for each in aws_api_gateway_gateway_response.stream : [each.response_type, each.status_code, each.response_templates, each.response_parameters]])
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_api_gateway_stage" "stream" {
  #checkov:skip=CKV_AWS_120:an answer of a model is one caller's own, and a stream can't be cached
  #checkov:skip=CKV2_AWS_29:a web ACL costs 6 dollars a month and 0.60 a million requests; the variable web_acl_arn names one
  #checkov:skip=CKV2_AWS_4:AWS writes no execution log of a method that streams; each request stands in the access log
  #checkov:skip=CKV2_AWS_51:callers have keys; a certificate for each of their machines is none of ours to give

  rest_api_id          = aws_api_gateway_rest_api.stream.id
  deployment_id        = aws_api_gateway_deployment.stream.id
  stage_name           = local.stage
  description          = var.environment
  xray_tracing_enabled = true

  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.stream_access.arn
    format          = jsonencode(local.rest_access_log)
  }

  # Without the account's role API Gateway refuses a stage that logs.
  depends_on = [aws_api_gateway_account.this]
}

resource "aws_api_gateway_method_settings" "stream" {
  #checkov:skip=CKV_AWS_225:an answer of a model is one caller's own, and a stream can't be cached

  rest_api_id = aws_api_gateway_rest_api.stream.id
  stage_name  = aws_api_gateway_stage.stream.stage_name
  method_path = "*/*"

  settings {
    metrics_enabled        = var.detailed_route_metrics
    logging_level          = "OFF" # AWS writes none for streams
    data_trace_enabled     = false
    throttling_rate_limit  = var.stream.rate
    throttling_burst_limit = var.stream.burst
  }
}

resource "aws_cloudwatch_log_group" "stream_access" {
  #checkov:skip=CKV_AWS_158:every key is AWS's own unless kms_key_arn names one: a key of one's own costs and has to be looked after

  name              = "/aws/apigateway/${local.prefix}-stream"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_lambda_permission" "stream" {
  statement_id  = "Stream"
  action        = "lambda:InvokeFunction" # AWS asks for this of an invocation that streams, too
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

# Behind one host: the longest path wins, so that /v1/* is this door's and all else the HTTP API's.
resource "aws_apigatewayv2_api_mapping" "stream" {
  count = length(aws_apigatewayv2_domain_name.this)

  api_id          = aws_api_gateway_rest_api.stream.id
  domain_name     = aws_apigatewayv2_domain_name.this[count.index].domain_name
  stage           = aws_api_gateway_stage.stream.stage_name
  api_mapping_key = "v1"
}

# A REST API logs by a role that the account has once in a region (variable api_gateway_log_role).
resource "aws_iam_role" "api_logs" {
  count = local.own_log_role ? 1 : 0

  name                 = "${local.prefix}-api-logs"
  path                 = var.iam_path
  permissions_boundary = var.permissions_boundary_arn
  description          = "By it API Gateway writes the access logs of this account's REST APIs in ${var.region}"

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

  # API Gateway tries the role out.
  depends_on = [aws_iam_role_policy_attachment.api_logs]
}
