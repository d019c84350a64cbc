locals {
  unknown_tables = flatten([
    for key, function in local.functions : [
      for table in concat(keys(try(function.tables, {})), try([function.event.stream], [])) : "${key}: ${table}" if !contains(keys(local.table_arns), table)
    ]
  ])
  unknown_variables = flatten([
    for key, function in local.functions : [
      for name in try(function.environment, []) : "${key}: ${name}" if !contains(keys(local.variables), name)
    ]
  ])
  unknown_functions = setsubtract(
    concat(keys(local.reserved_concurrency), keys(var.provisioned_concurrency), tolist(var.snap_start)),
    keys(local.functions),
  )

  # The number of executions that the account may run at once; 0 if it is not known.
  concurrency = coalesce(var.lambda_concurrency, try(data.aws_servicequotas_service_quota.concurrency[0].value, 0))

  # However many calls are in progress, health checks, admin requests and the authorizer still get executions. A reservation is
  # also an upper bound. The authorizer's is a tenth of all, because each caller is checked only once a minute.
  room = {
    for key, count in { health = 10, admin = 10, (local.authorizer) = max(50, floor(local.concurrency / 10)) } :
    key => count if local.concurrency >= 400
  }
  reserved_concurrency = var.reserved_concurrency == null ? tomap(local.room) : var.reserved_concurrency

  # Executions at the same time = calls a second x the seconds that each call takes.
  expected_concurrency = ceil(sum(concat([0], [
    for tier, count in var.expected_load.keys : count * try(local.defaults.rateLimits[tier].requestsPerMinute, 0)
  ])) / 60 * var.expected_load.latency_seconds + var.expected_load.streams)
}

# Conditions that are checked before anything is created. Unlike the validations of variables, they do not prevent a destroy.
resource "terraform_data" "preflight" {
  input = local.prefix

  lifecycle {
    precondition {
      condition     = !var.workspace_per_environment || terraform.workspace == var.environment
      error_message = "The workspace is ${terraform.workspace}, but the variables are those of ${var.environment}. Run `terraform workspace select ${var.environment}`, or pass the variables of ${terraform.workspace}."
    }

    precondition {
      condition     = length(local.artifacts_missing) == 0
      error_message = "These zips are not built yet: ${join(", ", local.artifacts_missing)}. Run `make build`, or set the variable artifacts to the zips of a release."
    }

    precondition {
      condition     = length(local.artifacts_changed) == 0
      error_message = "These zips are not the ones that artifacts.sha256 names: ${join(", ", local.artifacts_changed)}."
    }

    precondition {
      condition     = alltrue([for route, claims in local.routes : length(claims) == 1])
      error_message = "More than one function claims these routes: ${join(", ", [for route, claims in local.routes : "${route} (${join(", ", claims[*].function)})" if length(claims) > 1])}."
    }

    precondition {
      condition     = alltrue([for route in local.route_list : contains(concat(["public"], keys(local.authorizers)), route.access)])
      error_message = "These routes have an access for which there is no authorizer: ${join(", ", [for route in local.route_list : "${route.route} (${route.access})" if !contains(concat(["public"], keys(local.authorizers)), route.access)])}."
    }

    precondition {
      condition     = length(local.functions_that_stream) == 1
      error_message = "Exactly one function must have \"door\": \"stream\" in its function.json; ${length(local.functions_that_stream)} have it: ${join(", ", keys(local.functions_that_stream))}."
    }

    precondition {
      condition     = local.stream_seconds > 0 && local.stream_seconds <= local.stream_wait_seconds - 10
      error_message = "A stream may take ${local.stream_seconds} seconds, but its function and API Gateway end after ${local.stream_wait_seconds}. A stream must end 10 seconds before them, so that its last event and the bill are written. Lower stream.seconds."
    }

    precondition {
      condition     = !local.private || length(var.vpc_endpoint_ids) > 0
      error_message = "stream_endpoint_type is PRIVATE, but vpc_endpoint_ids names no VPC endpoint, so that nobody could call the streaming door. Name at least one interface endpoint for execute-api in ${var.region}."
    }

    precondition {
      condition     = !local.private || var.custom_domain == null
      error_message = "custom_domain can't lead to a private streaming door, because it is a regional domain name, and AWS maps private APIs only to private ones. Leave custom_domain out, or set stream_endpoint_type to REGIONAL."
    }

    precondition {
      condition     = !var.http_api_closed || var.custom_domain == null
      error_message = "http_api_closed can't be used with custom_domain, which would still lead to the HTTP API. Leave one of them out; custom_domain.only turns off the APIs' own addresses."
    }

    precondition {
      condition     = var.adapter_layer_arn != null || contains(keys(local.adapter.accounts), local.partition)
      error_message = "No public layer with the Lambda Web Adapter is known in the partition ${local.partition}. Set adapter_layer_arn to a copy of the layer."
    }

    precondition {
      condition     = var.adapter_layer_arn == null ? true : split(":", var.adapter_layer_arn)[3] == var.region
      error_message = "adapter_layer_arn is a layer of another region than ${var.region}. A function can only use layers of its own region."
    }

    precondition {
      condition     = length(local.unknown_tables) == 0
      error_message = "A function.json names tables that shared/tables.json does not describe: ${join(", ", local.unknown_tables)}."
    }

    precondition {
      condition     = length(setsubtract(keys(var.table_names), keys(local.tables))) == 0
      error_message = "table_names has tables that shared/tables.json does not describe: ${join(", ", setsubtract(keys(var.table_names), keys(local.tables)))}."
    }

    precondition {
      condition     = length(local.unknown_variables) == 0
      error_message = "A function.json names variables that shared/environment.json does not describe: ${join(", ", local.unknown_variables)}."
    }

    precondition {
      condition     = toset(keys(local.variables)) == toset(keys(local.environment_values))
      error_message = "shared/environment.json and environment_values in functions.tf differ: ${join(", ", setunion(setsubtract(keys(local.variables), keys(local.environment_values)), setsubtract(keys(local.environment_values), keys(local.variables))))}."
    }

    precondition {
      condition     = length(local.unknown_metrics) == 0
      error_message = "A dashboard or an alarm names metrics that shared/gateway/data/metrics.json does not have: ${join("; ", local.unknown_metrics)}."
    }

    precondition {
      condition     = alltrue([for seconds in values(local.schedule_seconds) : try(seconds >= 60 && seconds <= 86400, false)])
      error_message = "CloudWatch can't detect missing runs of these schedules: ${join(", ", [for key, seconds in local.schedule_seconds : "${key} (${local.functions[key].event.schedule})" if !try(seconds >= 60 && seconds <= 86400, false)])}. Use a rate from one minute to one day."
    }

    precondition {
      condition     = var.kms_key_arn == null ? true : split(":", var.kms_key_arn)[3] == var.region
      error_message = "kms_key_arn is a key of another region than ${var.region}. AWS's services can only use keys of their own region."
    }

    precondition {
      condition     = var.deploy_role_arn == null || var.account_ids == null ? true : contains(var.account_ids, split(":", var.deploy_role_arn)[4])
      error_message = "deploy_role_arn is a role of an account that account_ids does not name."
    }

    precondition {
      condition     = !contains(var.providers_enabled, "azure") || var.azure_base_url != ""
      error_message = "providers_enabled contains azure, so azure_base_url must be set: the base URL of the resource that is called."
    }

    precondition {
      condition     = length(local.unknown_functions) == 0
      error_message = "reserved_concurrency, provisioned_concurrency or snap_start names functions that do not exist: ${join(", ", local.unknown_functions)}."
    }

    precondition {
      # AWS keeps 100 executions for functions that have no reservation.
      condition     = length(local.reserved_concurrency) == 0 || contains([0], local.concurrency) || sum(concat([0], values(local.reserved_concurrency))) <= local.concurrency - 100
      error_message = "reserved_concurrency reserves ${sum(concat([0], values(local.reserved_concurrency)))} of ${local.concurrency} executions, and AWS keeps 100 for functions without a reservation. Reserve fewer, or ask AWS for a higher quota."
    }

    precondition {
      condition     = length(setsubtract(keys(var.throttling.routes), keys(local.routes))) == 0
      error_message = "throttling.routes names routes that no function has: ${join(", ", setsubtract(keys(var.throttling.routes), keys(local.routes)))}."
    }

    precondition {
      condition     = length(setsubtract(keys(var.expected_load.keys), keys(local.defaults.rateLimits))) == 0
      error_message = "expected_load.keys names tiers that do not exist: ${join(", ", setsubtract(keys(var.expected_load.keys), keys(local.defaults.rateLimits)))}."
    }
  }
}

# The quota "Concurrent executions": 1,000 by default, 10 in a new account.
data "aws_servicequotas_service_quota" "concurrency" {
  count = var.lambda_concurrency == null && !local.emulated ? 1 : 0

  service_code = "lambda"
  quota_code   = "L-B99A9384"
}

check "lambda_concurrency" {
  assert {
    # 0 means that the quota is not known, as on an emulator. AWS itself never answers 0.
    condition     = contains([0], local.concurrency) || local.concurrency >= local.expected_concurrency
    error_message = "The expected load needs ${local.expected_concurrency} Lambda executions at once, but the account allows ${local.concurrency}. Ask AWS for a higher quota (Service Quotas, Lambda, Concurrent executions), or lower expected_load."
  }
}

check "alarms_reach_somebody" {
  assert {
    condition     = !local.full || var.alarm_email != null || var.alarms_subscribed_elsewhere
    error_message = "Nobody is notified of alarms, because the topic ${local.prefix}-alarms has no subscriber. Set alarm_email, or set alarms_subscribed_elsewhere = true if a pager or a chat is subscribed to it."
  }
}
