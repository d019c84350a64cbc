locals {
  # Access of a route in function.json -> the header that carries the key. Each has its own authorizer, because the HTTP API
  # caches by header.
  authorizers = {
    api-key = "$request.header.X-API-Key"
    bearer  = "$request.header.Authorization"
  }
  authorizer = one([for key, function in local.functions : key if try(function.authorizer, null) != null])

  access_log = {
    request_id     = "$context.requestId"
    time           = "$context.requestTimeEpoch"
    route          = "$context.routeKey"
    status         = "$context.status"
    bytes          = "$context.responseLength"
    latency_ms     = "$context.responseLatency"
    integration_ms = "$context.integrationLatency"
    error          = "$context.error.messageString"
    # The error that Lambda reported if it gave no answer: throttled, no right, crashed.
    integration_error = "$context.integrationErrorMessage"
    authorizer_error  = "$context.authorizer.error"
    key_id            = "$context.authorizer.keyId"
    source_ip         = "$context.identity.sourceIp"
  }
}

resource "aws_apigatewayv2_api" "this" {
  name                         = "${local.prefix}-api"
  description                  = "The AI model gateway, ${var.environment}"
  protocol_type                = "HTTP"
  disable_execute_api_endpoint = var.http_api_closed || try(var.custom_domain.only, false)

  dynamic "cors_configuration" {
    for_each = length(var.cors_allow_origins) > 0 ? [var.cors_allow_origins] : []
    content {
      allow_origins = cors_configuration.value
      allow_methods = sort(distinct([for route in keys(local.routes) : split(" ", route)[0]]))
      allow_headers = local.cors.allow_headers
      # A browser shows a page only the headers that are named here.
      expose_headers = local.cors.expose_headers
      max_age        = local.cors.max_age
    }
  }
}

resource "aws_apigatewayv2_authorizer" "this" {
  for_each = local.authorizers

  api_id                            = aws_apigatewayv2_api.this.id
  name                              = each.key
  authorizer_type                   = "REQUEST"
  authorizer_uri                    = module.function[local.authorizer].invoke_arn
  authorizer_payload_format_version = "2.0"
  enable_simple_responses           = true
  identity_sources                  = [each.value]
  authorizer_result_ttl_in_seconds  = local.functions[local.authorizer].authorizer.ttl

  # If a function gets another name, the routes must point to the new authorizer before the old one is deleted: AWS refuses to
  # delete an authorizer that routes use.
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_apigatewayv2_integration" "this" {
  for_each = local.functions_with_routes

  api_id                 = aws_apigatewayv2_api.this.id
  description            = local.function_names[each.key]
  integration_type       = "AWS_PROXY"
  integration_uri        = module.function[each.key].invoke_arn
  payload_format_version = "2.0"
  # Half a second more than the function's timeout, so that the function answers before the API does. The API's maximum is 30 s.
  timeout_milliseconds = min(each.value.timeout * 1000 + 500, 30000)

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_apigatewayv2_route" "this" {
  #checkov:skip=CKV_AWS_309:health is public; tests/gateway.tftest.hcl checks that every other route has an authorizer

  for_each = local.routes

  api_id             = aws_apigatewayv2_api.this.id
  route_key          = each.key
  target             = "integrations/${aws_apigatewayv2_integration.this[each.value[0].function].id}"
  authorization_type = each.value[0].access == "public" ? "NONE" : "CUSTOM"
  authorizer_id      = each.value[0].access == "public" ? null : aws_apigatewayv2_authorizer.this[each.value[0].access].id
}

resource "aws_apigatewayv2_stage" "this" {
  api_id      = aws_apigatewayv2_api.this.id
  name        = "$default"
  description = var.environment
  auto_deploy = true

  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.access.arn
    format          = jsonencode(local.access_log)
  }

  default_route_settings {
    detailed_metrics_enabled = var.detailed_route_metrics
    throttling_rate_limit    = var.throttling.rate
    throttling_burst_limit   = var.throttling.burst
  }

  dynamic "route_settings" {
    for_each = local.routes
    content {
      route_key                = aws_apigatewayv2_route.this[route_settings.key].route_key
      detailed_metrics_enabled = var.detailed_route_metrics
      throttling_rate_limit    = try(var.throttling.routes[route_settings.key].rate, var.throttling.rate)
      throttling_burst_limit   = try(var.throttling.routes[route_settings.key].burst, var.throttling.burst)
    }
  }
}

resource "aws_cloudwatch_log_group" "access" {
  #checkov:skip=CKV_AWS_158:AWS's own keys encrypt everything unless kms_key_arn names a key: a customer-managed key costs money and needs care

  name              = "/aws/apigateway/${local.prefix}-api"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_lambda_permission" "api" {
  for_each = merge(
    { for key in keys(local.functions_with_routes) : key => "$default/*" },
    { for key in keys(local.authorizers) : "authorizer-${key}" => "authorizers/${aws_apigatewayv2_authorizer.this[key].id}" },
  )

  statement_id  = "Api-${each.key}"
  action        = "lambda:InvokeFunction"
  function_name = module.function[startswith(each.key, "authorizer-") ? local.authorizer : each.key].name
  qualifier     = module.function[startswith(each.key, "authorizer-") ? local.authorizer : each.key].alias
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.this.execution_arn}/${each.value}"
}

resource "aws_apigatewayv2_domain_name" "this" {
  count = var.custom_domain == null ? 0 : 1

  domain_name = var.custom_domain.name

  domain_name_configuration {
    certificate_arn = var.custom_domain.certificate_arn
    endpoint_type   = "REGIONAL"
    security_policy = "TLS_1_2"
  }
}

resource "aws_apigatewayv2_api_mapping" "this" {
  count = length(aws_apigatewayv2_domain_name.this)

  api_id      = aws_apigatewayv2_api.this.id
  domain_name = aws_apigatewayv2_domain_name.this[count.index].domain_name
  stage       = aws_apigatewayv2_stage.this.name
  # All paths for which there is no other mapping (rest.tf).
  api_mapping_key = null
}
