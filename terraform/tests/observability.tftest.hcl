# Alarms, the dashboard, logs and queries of a workspace. Run for each environment, like gateway.tftest.hcl.

variables {
  alarms_subscribed_elsewhere = true # otherwise the plan of an environment with alarms gives a warning, which is a failure here
}

override_data {
  target = data.aws_servicequotas_service_quota.concurrency
  values = { value = 100000 }
}

run "watched" {
  command = plan

  assert {
    condition     = length(aws_cloudwatch_dashboard.this) == (var.profile == "full" ? 1 : 0) && alltrue([for dashboard in aws_cloudwatch_dashboard.this : dashboard.dashboard_name == local.prefix])
    error_message = "Each workspace of the profile full has one dashboard, which has the workspace's name."
  }

  assert {
    condition     = [for row in local.rows : split(":", row.title)[0]] == ["Up", "Fast", "Streams", "Cost", "Refused", "Providers", "Bill", "DynamoDB"]
    error_message = "The dashboard answers these questions in this order: is the gateway up, is it fast, do streams begin soon, how much does it cost, which calls are refused, which provider fails, does the bill keep up, do the tables take the load."
  }

  assert {
    condition     = length(local.widgets) == 6 + 1 + length(local.rows) + sum([for row in local.rows : length(row.charts)]) && alltrue(flatten([for row in local.rows : [for chart in row.charts : length(chart.lines) > 0 || can(chart.query)]]))
    error_message = "Every chart is a widget, and none is empty."
  }

  assert {
    condition = join(" ", keys(aws_cloudwatch_metric_alarm.this)) == (var.profile != "full" ? "" : join(" ", sort(setunion(
      [for pair in setproduct([for key in ["admin", "authorizer", "completions", "health", "mcp", "stream"] : local.function_names[key]], ["errors", "throttles"]) : join("-", pair)],
      [for pair in setproduct(["5m", "1h", "30m", "6h"], ["slo-availability", "slo-latency"]) : join("-", concat([local.prefix], pair))],
      [for name in values(local.table_names) : "${name}-table-throttles"],
      [for provider in var.providers_enabled : "${local.prefix}-${provider}-breaker-open"],
      [for name in ["api-5xx", "api-p99", "first-byte", "stream-5xx", "concurrency", "ledger-drift", "budget", "overruns", "rows-parked", "rows-stuck", "reconciler-silent", "sweeper-silent", "analytics-iterator-age", "analytics-uncounted", "analytics-failure-queue"] : "${local.prefix}-${name}"],
    ))))
    error_message = "The profile full has alarms on errors, p99, throttles, breakers, iterator age, failure queue, budget, tables, schedules and parked rows. The profile minimal has no alarms."
  }

  assert {
    condition     = alltrue([for name, alarm in aws_cloudwatch_metric_alarm.this : fileexists("${path.root}/../docs/runbooks/${local.alarms[name].runbook}.md")])
    error_message = "Every alarm has its page in docs/runbooks."
  }

  assert {
    condition     = alltrue([for name, alarm in aws_cloudwatch_metric_alarm.this : endswith(name, "-${local.alarms[name].runbook}") && endswith(alarm.alarm_description, " docs/runbooks/${local.alarms[name].runbook}.md")])
    error_message = "An alarm's name ends in the name of its page, and its description names the page."
  }

  assert {
    condition     = join(" ", [for name, alarm in aws_cloudwatch_composite_alarm.slo : "${trimprefix(name, "${local.prefix}-slo-")} ${length(regexall("ALARM", alarm.alarm_rule))}"]) == (var.profile == "full" ? "availability 4 latency 4" : "")
    error_message = "Each objective has one alarm that notifies, made of two pairs of windows."
  }

  assert {
    condition     = length(aws_sns_topic.alarms) == (var.profile == "full" ? 1 : 0) && alltrue([for topic in aws_sns_topic.alarms : topic.name == "${local.prefix}-alarms"])
    error_message = "A workspace has one topic for all of its alarms."
  }

  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.this : alarm.treat_missing_data == (endswith(alarm.alarm_name, "-silent") ? "breaching" : "notBreaching")])
    error_message = "Missing data raises an alarm only if silence is the fault."
  }

  assert {
    condition     = alltrue([for name, alarm in aws_cloudwatch_metric_alarm.this : "${alarm.metric_name} ${alarm.comparison_operator} ${alarm.threshold} in ${alarm.evaluation_periods} x ${alarm.period}" == "Heartbeat LessThanThreshold 1 in 3 x ${strcontains(name, "sweeper") ? 300 : 3600}" if endswith(name, "-silent")])
    error_message = "A job raises an alarm if no run succeeds in three of its intervals, at least 15 minutes."
  }

  assert {
    condition     = alltrue([for name, alarm in local.alarms : alarm.period * alarm.evaluations <= (alarm.period < 3600 ? 86400 : 604800) && alarm.period <= 86400 && (alarm.period % 60 == 0)])
    error_message = "CloudWatch looks back one day, or 7 days if a period has an hour or more."
  }

  assert {
    condition     = { for key, config in aws_lambda_function_event_invoke_config.schedule : key => [config.maximum_retry_attempts, config.maximum_event_age_in_seconds, config.qualifier] } == { reconciler = [0, 3600, "live"], sweeper = [0, 60, "live"] } && alltrue([for schedule in aws_scheduler_schedule.this : schedule.target[0].retry_policy[0].maximum_retry_attempts == 0])
    error_message = "The next run does the work of a run that failed. Neither the scheduler nor Lambda repeats it too."
  }

  assert {
    condition     = alltrue([for function in module.function : function.log_retention_days == var.log_retention_days]) && aws_cloudwatch_log_group.access.retention_in_days == var.log_retention_days && aws_cloudwatch_log_group.stream_access.retention_in_days == var.log_retention_days
    error_message = "Every log is kept for the time that was asked for, and no longer."
  }

  assert {
    condition     = alltrue([for function in module.function : function.tracing == "Active"]) && alltrue([for statements in values(local.statements) : anytrue([for statement in statements : contains(statement.Action, "xray:PutTraceSegments")])])
    error_message = "Every function is traced, and may send its traces."
  }

  assert {
    condition     = toset(keys(aws_cloudwatch_query_definition.this)) == toset(["cold-starts", "cost-by-hour", "cost-by-model", "door-errors", "errors-by-correlation-id", "money-at-risk", "one-request", "provider-failures", "refusals-by-key", "shadow-refusals-by-key", "slowest-calls", "time-by-route"]) && alltrue([for query in aws_cloudwatch_query_definition.this : startswith(query.name, "${local.prefix}/")])
    error_message = "Queries are saved in every profile: they cost nothing."
  }
}
