# Turns on everything that is off by default, and tries values that must be refused: what it sets itself decides, so it runs for prod.

variables {
  alarms_subscribed_elsewhere = true # otherwise the plan of an environment with alarms gives a warning, which is a failure here
}

override_data {
  target = data.aws_servicequotas_service_quota.concurrency
  values = { value = 100000 }
}

run "defaults_reserve_nothing" {
  command = plan

  assert {
    condition     = length(aws_apigatewayv2_domain_name.this) == 0 && length(aws_sns_topic_subscription.email) == 0 && length(local.statements_on_keys["health"]) == 0
    error_message = "A domain, a mail address or a key exists although it was not asked for."
  }

  assert {
    condition     = aws_cloudwatch_log_group.access.retention_in_days == var.log_retention_days && one(aws_apigatewayv2_stage.this.access_log_settings).format == jsonencode(local.access_log)
    error_message = "The stage logs each request, for as long as logs are kept."
  }

  assert {
    condition     = toset([for settings in aws_apigatewayv2_stage.this.route_settings : settings.route_key]) == toset(keys(local.routes)) && alltrue([for settings in aws_apigatewayv2_stage.this.route_settings : settings.throttling_rate_limit > 0 && settings.throttling_burst_limit > 0])
    error_message = "Every route is throttled."
  }

  assert {
    condition     = length(aws_lambda_permission.api) == length(local.functions_with_routes) + length(local.authorizers)
    error_message = "The API may call each function that has routes, and the authorizer for each kind of key."
  }

  assert {
    condition     = output.idle_cost_usd_per_month.total == (var.profile == "full" ? 14.2 : 0.4)
    error_message = "A gateway that nobody calls has another cost than docs/deployment.md says."
  }
}

run "everything_on" {
  command = plan

  variables {
    profile                 = "full"
    alarm_email             = "operators@example.com"
    kms_key_arn             = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
    custom_domain           = { name = "api.example.com", certificate_arn = "arn:aws:acm:eu-central-1:123456789012:certificate/1" }
    reserved_concurrency    = { admin = 5 }
    provisioned_concurrency = { authorizer = 2 }
    snap_start              = ["completions"]
    cors_allow_origins      = []
    throttling              = { routes = { "GET /health" = { rate = 1, burst = 2 } } }
    emulator_endpoint       = "http://127.0.0.1:4566"
    deploy_role_arn         = "arn:aws:iam::123456789012:role/deployer"
    account_ids             = ["123456789012"]
  }

  assert {
    condition     = output.url == "https://api.example.com" && aws_apigatewayv2_api.this.disable_execute_api_endpoint && length(aws_apigatewayv2_api_mapping.this) == 1
    error_message = "The custom domain is the only door."
  }

  assert {
    condition     = local.function_environment["mcp"]["MCP_ALLOWED_HOSTS"] == "api.example.com"
    error_message = "The MCP server answers on the custom domain."
  }

  assert {
    condition     = alltrue([for statements in values(local.statements) : contains(statements[*].Sid, "Key")]) && aws_sqs_queue.failures["analytics"].kms_master_key_id == var.kms_key_arn && aws_secretsmanager_secret.provider["openai"].kms_key_id == var.kms_key_arn && aws_sns_topic.alarms[0].kms_master_key_id == var.kms_key_arn
    error_message = "The customer-managed key encrypts everything, and every function may use it."
  }

  assert {
    condition     = alltrue([for schedule in aws_scheduler_schedule.this : schedule.kms_key_arn == var.kms_key_arn]) && anytrue([for statement in jsondecode(aws_iam_role_policy.scheduler[0].policy).Statement : contains(statement.Action, "kms:Decrypt") && statement.Resource == [var.kms_key_arn]])
    error_message = "The scheduler's role may read the schedules that the key encrypts."
  }

  assert {
    condition     = length(aws_apigatewayv2_api.this.cors_configuration) == 0
    error_message = "Without origins there is no CORS."
  }

  assert {
    condition     = one([for settings in aws_apigatewayv2_stage.this.route_settings : settings.throttling_rate_limit if settings.route_key == "GET /health"]) == 1
    error_message = "A route may have its own limit."
  }

  assert {
    condition     = aws_sns_topic_subscription.email[0].endpoint == "operators@example.com"
    error_message = "Alarms are mailed."
  }
}

run "bedrock_alone_needs_no_secret" {
  command = plan

  variables {
    profile           = "full"
    providers_enabled = ["bedrock"]
    custom_domain     = { name = "api.example.com", certificate_arn = "arn:aws:acm:eu-central-1:123456789012:certificate/1", only = false }
  }

  assert {
    condition     = output.url == "https://api.example.com" && !aws_apigatewayv2_api.this.disable_execute_api_endpoint
    error_message = "A custom domain and the API's own address may be used at the same time."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["${local.prefix}-budget"].threshold == 10 && !contains(keys(aws_cloudwatch_metric_alarm.this), "${local.prefix}-openai-breaker-open") && alltrue([for chart in local.rows[5].charts : length(chart.lines) < 4])
    error_message = "There are no alarms and no charts for a provider that is off."
  }

  assert {
    condition     = length(aws_secretsmanager_secret.provider) == 0 && length(local.statements_on_secrets["completions"]) == 0
    error_message = "A provider that is off leaves a secret or a right behind."
  }
}

run "no_right_on_models_without_a_provider_that_needs_it" {
  command = plan

  variables {
    providers_enabled = ["openai"]
  }

  assert {
    condition     = length(local.statements_on_models["completions"]) == 0 && !strcontains(jsonencode(local.statements["completions"]), "bedrock:") && join(",", keys(local.secret_names)) == "openai"
    error_message = "If Bedrock is not a provider, no function may call it."
  }
}

run "bedrock_by_a_secret_of_its_own" {
  command = plan

  variables {
    providers_enabled   = ["bedrock"]
    bedrock_credentials = "secret"
  }

  assert {
    condition     = length(local.statements_on_models["completions"]) == 0 && join(",", local.statements_on_secrets["completions"][*].Sid) == "SecretBedrock" && local.function_environment["completions"]["BEDROCK_SECRET_ID"] == "${local.prefix}/bedrock"
    error_message = "A function that signs with a secret's credentials needs the secret, and its role needs no right."
  }
}

run "values_that_make_no_sense" {
  command = plan

  variables {
    name                     = "X"
    account_ids              = ["12"]
    deploy_role_arn          = "deployer"
    emulator_endpoint        = "localhost"
    tags                     = { "aws:x" = "y" }
    gateway_version          = "one"
    profile                  = "medium"
    architecture             = "amd64"
    providers_enabled        = []
    openai_base_url          = "http://plain.example.com"
    openai_pass_fields       = ["top k"]
    bedrock_region           = "Virginia"
    bedrock_regions          = ["us-east-1", "us-east-1"]
    bedrock_models           = ["a/b"]
    bedrock_credentials      = "mine"
    azure_base_url           = "http://models.example.com"
    secret_recovery_days     = 3
    kms_key_arn              = "alias/mine"
    log_retention_days       = 8
    log_level                = "TRACE"
    cors_allow_origins       = ["example.com"]
    mcp_allowed_origins      = ["example.com/"]
    throttling               = { rate = 0 }
    expected_load            = { latency_seconds = 60 }
    stream                   = { rate = 0, wait_seconds = 901 }
    adapter_layer_arn        = "arn:aws:lambda:eu-central-1:753240598075:layer:LambdaAdapterLayerArm64:29"
    api_gateway_log_role     = "mine"
    web_acl_arn              = "arn:aws:wafv2:us-east-1:123456789012:global/webacl/streams/1"
    stream_endpoint_type     = "EDGE"
    vpc_endpoint_ids         = ["vpc-1"]
    reserved_concurrency     = { admin = 0 }
    provisioned_concurrency  = { admin = 0.5 }
    custom_domain            = { name = "localhost", certificate_arn = "none" }
    alarm_email              = "nobody"
    lambda_concurrency       = 0
    iam_path                 = "gateway"
    permissions_boundary_arn = "boundary"

    spend_alarm_usd_per_hour = 0
    artifacts                = { url = "https://example.com/release" }
  }

  expect_failures = [
    var.name, var.account_ids, var.deploy_role_arn, var.emulator_endpoint, var.tags, var.gateway_version, var.profile,
    var.providers_enabled, var.openai_base_url, var.bedrock_region, var.bedrock_regions, var.bedrock_models, var.bedrock_credentials, var.azure_base_url, var.secret_recovery_days, var.kms_key_arn,
    var.log_retention_days, var.log_level, var.cors_allow_origins, var.mcp_allowed_origins, var.throttling,
    var.expected_load, var.reserved_concurrency, var.provisioned_concurrency, var.custom_domain, var.alarm_email,
    var.artifacts, var.spend_alarm_usd_per_hour, var.openai_pass_fields, var.stream, var.adapter_layer_arn, var.api_gateway_log_role, var.web_acl_arn, var.stream_endpoint_type, var.vpc_endpoint_ids,
    var.architecture, var.lambda_concurrency, var.iam_path, var.permissions_boundary_arn,
  ]
}

run "a_snapshot_of_a_function_that_is_kept_warm" {
  command = plan

  variables {
    snap_start              = ["admin"]
    provisioned_concurrency = { admin = 1 }
  }

  expect_failures = [var.snap_start]
}

run "names_that_nobody_has" {
  command = plan

  variables {
    reserved_concurrency = { nobody = 1 }
    throttling           = { routes = { "GET /nowhere" = { rate = 1, burst = 1 } } }
    expected_load        = { keys = { platinum = 1 } }
  }

  expect_failures = [terraform_data.preflight]
}

run "a_key_of_another_region" {
  command = plan

  variables {
    kms_key_arn = "arn:aws:kms:us-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  }

  expect_failures = [terraform_data.preflight]
}

run "a_role_of_an_account_that_is_not_allowed" {
  command = plan

  variables {
    deploy_role_arn = "arn:aws:iam::123456789012:role/deployer"
    account_ids     = ["210987654321"]
  }

  expect_failures = [terraform_data.preflight]
}

run "zips_that_are_not_the_ones_named" {
  command = plan

  variables {
    artifacts = { sha256 = { "health.zip" = "0000000000000000000000000000000000000000000000000000000000000000" } }
  }

  expect_failures = [terraform_data.preflight]
}

run "room_in_an_account_of_a_thousand" {
  command = plan

  variables {
    lambda_concurrency = 1000
    expected_load      = { keys = {} }
  }

  assert {
    condition     = local.reserved_concurrency == tomap({ admin = 10, authorizer = 100, health = 10 })
    error_message = "Even if calls use up all executions, health, admin and the authorizer still get theirs."
  }
}

run "nothing_is_reserved_in_a_new_account" {
  command = plan

  variables {
    lambda_concurrency = 10
    expected_load      = { keys = {} }
  }

  assert {
    condition     = length(local.reserved_concurrency) == 0
    error_message = "AWS keeps 100 executions unreserved: an account of 10 can reserve none."
  }
}

run "more_is_reserved_than_there_is" {
  command = plan

  variables {
    lambda_concurrency   = 200
    expected_load        = { keys = {} }
    reserved_concurrency = { stream = 101 }
  }

  expect_failures = [terraform_data.preflight]
}

run "another_workspace" {
  command = plan

  variables {
    environment = "elsewhere"
  }

  expect_failures = [terraform_data.preflight]
}

run "nothing_built" {
  command = plan

  variables {
    artifacts = { directory = "/nowhere" }
  }

  expect_failures = [terraform_data.preflight]
}

run "a_wrong_region" {
  command = plan

  variables {
    region = "Frankfurt"
  }

  expect_failures = [var.region]
}

run "nobody_hears_the_alarms" {
  command = plan

  variables {
    profile                     = "full"
    alarms_subscribed_elsewhere = false
  }

  expect_failures = [check.alarms_reach_somebody]
}

run "alarms_reach_the_topic" {
  # The topic's ARN is known once it is made. This run is the last, since those after it would plan from its state.
  command = apply

  variables {
    profile = "full"
  }

  assert {
    condition     = alltrue([for alarm in concat([for each in aws_cloudwatch_metric_alarm.this : each], [for each in aws_cloudwatch_composite_alarm.slo : each]) : toset(alarm.ok_actions) == toset(alarm.alarm_actions) && toset(alarm.alarm_actions) == toset(length(regexall("-[0-9]+[mh]-slo-", alarm.alarm_name)) > 0 ? [] : [aws_sns_topic.alarms[0].arn])])
    error_message = "Alarms notify when they begin and when they end."
  }

  assert {
    condition     = output.alarm_topic == aws_sns_topic.alarms[0].arn && endswith(output.dashboard, "#dashboards/dashboard/${local.prefix}")
    error_message = "The outputs say where to look."
  }
}
