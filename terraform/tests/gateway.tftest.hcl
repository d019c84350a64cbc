# Run for each environment: TF_WORKSPACE=dev terraform test -var-file=environments/dev.tfvars (make terraform-check).

# Only AWS knows an account's quota; the check that compares it has its own run.
variables {
  alarms_subscribed_elsewhere = true # otherwise the plan of an environment with alarms gives a warning, which is a failure here
}

override_data {
  target = data.aws_servicequotas_service_quota.concurrency
  values = { value = 100000 }
}

run "plan" {
  command = plan

  assert {
    condition     = length(aws_apigatewayv2_route.this) == length(local.route_list)
    error_message = "Every route of every function.json is a route of the API."
  }

  assert {
    condition     = alltrue([for key, route in aws_apigatewayv2_route.this : contains(["GET /", "GET /docs", "GET /health", "GET /openapi.json", "HEAD /"], key) || startswith(key, "GET /api/v1/health") ? route.authorization_type == "NONE" : route.authorization_type == "CUSTOM"])
    error_message = "Only the health routes, the page at / and the documents of the API are public."
  }

  assert {
    condition     = alltrue([for authorizer in aws_apigatewayv2_authorizer.this : authorizer.authorizer_result_ttl_in_seconds == 60 && authorizer.enable_simple_responses])
    error_message = "An authorizer's answer is kept for the 60 seconds that its manifest says."
  }

  assert {
    condition     = { for name, authorizer in aws_apigatewayv2_authorizer.this : name => one(authorizer.identity_sources) } == { api-key = "$request.header.X-API-Key", bearer = "$request.header.Authorization" }
    error_message = "Each kind of key has its own header."
  }

  assert {
    condition     = toset(keys(local.functions)) == toset(["admin", "analytics", "authorizer", "completions", "health", "mcp", "reconciler", "stream", "sweeper"])
    error_message = "The list of functions changed. Change it here too."
  }

  assert {
    condition     = alltrue([for statements in values(local.statements) : alltrue([for statement in statements : !contains(statement.Resource, "*") || statement.Sid == "Traces"])])
    error_message = "Only the statement for X-Ray applies to every resource."
  }

  assert {
    condition     = alltrue([for statements in values(local.statements) : alltrue([for action in flatten(statements[*].Action) : !strcontains(action, "*")])])
    error_message = "No right is granted by a wildcard."
  }

  assert {
    condition     = local.table_keys["request-analytics"].table[0][0] == "minute" && local.table_keys["api-keys"].indexes["by-team"][0][0] == "team_id"
    error_message = "Keys keep the order in which shared/tables.json writes them."
  }

  assert {
    condition     = length(aws_lambda_event_source_mapping.stream) == 1 && aws_lambda_event_source_mapping.stream["analytics"].maximum_retry_attempts == -1
    error_message = "A valid record is given up only because of its age."
  }

  assert {
    condition     = { for key, schedule in aws_scheduler_schedule.this : key => schedule.schedule_expression } == { reconciler = "rate(1 hour)", sweeper = "rate(1 minute)" }
    error_message = "The sweeper runs every minute, the reconciler every hour."
  }
}

run "a_quota_too_small_for_the_load" {
  command = plan

  override_data {
    target = data.aws_servicequotas_service_quota.concurrency
    values = { value = 8 }
  }

  expect_failures = [check.lambda_concurrency]
}
