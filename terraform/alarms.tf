# Profile full only: an alarm costs 0.10 US dollars a month for each metric it looks at. Each ends in the name of its page
# in docs/runbooks, which says what it means and what to do.

locals {
  full = var.profile == "full"

  alarms_of_functions = merge([
    for key, name in local.function_names : {
      "${name}-errors" = {
        runbook     = "errors"
        description = "${name}: 5 or more runs in 5 minutes ended in an error that the function did not handle."
        threshold   = 5
        metrics     = { runs = { namespace = "AWS/Lambda", metric = "Errors", dimensions = { FunctionName = name }, stat = "Sum" } }
      }
      "${name}-throttles" = {
        runbook     = "throttles"
        description = "${name}: runs refused in 5 minutes, concurrency is used up."
        threshold   = 1
        metrics     = { runs = { namespace = "AWS/Lambda", metric = "Throttles", dimensions = { FunctionName = name }, stat = "Sum" } }
      }
    }
  ]...)

  # By success, not by starts: a job that is started every hour and fails every hour has started. Three intervals without
  # one, of 5 minutes at least; CloudWatch looks back 7 days at most, in periods of a day at most (checks.tf).
  silent_periods = { for key, seconds in local.schedule_seconds : key => max(coalesce(seconds, 0), 300) }
  alarms_of_schedules = {
    for key, name in { for key in keys(local.functions_on_schedule) : key => local.function_names[key] } : "${name}-silent" => {
      runbook     = "silent"
      description = "${name} has ended no run well for ${local.silent_periods[key] * 3 / 60} minutes."
      threshold   = 1
      comparison  = "LessThanThreshold"
      period      = local.silent_periods[key]
      evaluations = 3
      missing     = "breaching"
      metrics     = { beats = { namespace = local.own, metric = "Heartbeat", dimensions = { FunctionName = name }, stat = "Sum" } }
    }
  }

  alarms_of_streams = merge([
    for key, queue in local.failure_queue_names : {
      "${local.function_names[key]}-iterator-age" = {
        runbook     = "iterator-age"
        description = "${local.function_names[key]} is a minute or more behind its stream."
        threshold   = 60000
        metrics     = { age = { namespace = "AWS/Lambda", metric = "IteratorAge", dimensions = { FunctionName = local.function_names[key] }, stat = "Maximum" } }
      }
      # Its age is told by a consumer that runs: one that is switched off, or fails at each batch, tells nothing.
      "${local.function_names[key]}-uncounted" = {
        runbook     = "uncounted"
        description = "For 2 hours calls were paid for, and ${local.function_names[key]} counted no batch."
        threshold   = 1
        period      = 3600
        evaluations = 2
        expression  = "IF(${join(" + ", [for provider in var.providers_enabled : "FILL(${provider}, 0)"])} > 0 AND FILL(beats, 0) < 1, 1, 0)"
        metrics = merge(
          { for provider in var.providers_enabled : provider => { namespace = local.own, metric = "Cost", dimensions = { Gateway = local.prefix, Provider = provider }, stat = "SampleCount" } },
          { beats = { namespace = local.own, metric = "Heartbeat", dimensions = { FunctionName = local.function_names[key] }, stat = "Sum" } },
        )
      }
      "${local.function_names[key]}-failure-queue" = {
        runbook     = "failure-queue"
        description = "${local.function_names[key]} gave records up: they wait in ${queue}."
        threshold   = 1
        metrics     = { messages = { namespace = "AWS/SQS", metric = "ApproximateNumberOfMessagesVisible", dimensions = { QueueName = queue }, stat = "Maximum" } }
      }
    }
  ]...)

  alarms_of_api = {
    "${local.prefix}-api-5xx" = {
      runbook     = "api-5xx"
      description = "The API answered 10 or more times in 5 minutes with a server error."
      threshold   = 10
      metrics     = { answers = { namespace = "AWS/ApiGateway", metric = "5xx", dimensions = { ApiId = aws_apigatewayv2_api.this.id }, stat = "Sum" } }
    }
    "${local.prefix}-api-p99" = {
      runbook     = "api-p99"
      description = "For 15 minutes one answer in a hundred took 25 seconds or more; at 29 callers get none."
      threshold   = 25000
      evaluations = 3
      metrics     = { latency = { namespace = "AWS/ApiGateway", metric = "Latency", dimensions = { ApiId = aws_apigatewayv2_api.this.id }, stat = "p99" } }
    }
    "${local.prefix}-stream-5xx" = {
      runbook     = "stream-5xx"
      description = "The door that streams answered 10 or more times in 5 minutes with a server error."
      threshold   = 10
      metrics     = { answers = { namespace = "AWS/ApiGateway", metric = "5XXError", dimensions = { ApiName = aws_api_gateway_rest_api.stream.name }, stat = "Sum" } }
    }
    # After 10 seconds of silence a ping goes out: what takes longer than that has heard nothing from the model until then.
    "${local.prefix}-first-byte" = {
      runbook     = "first-byte"
      description = "For 15 minutes one stream in ten began after 10 seconds or more."
      threshold   = 10000
      evaluations = 3
      metrics     = { wait = { namespace = local.own, metric = "FirstByte", dimensions = { Gateway = local.prefix }, stat = "p90" } }
    }
    "${local.prefix}-overhead-p99" = {
      runbook     = "overhead-p99"
      description = "For 15 minutes the gateway's own share of one completion in a hundred was 1 second or more."
      threshold   = 1000
      evaluations = 3
      metrics     = { overhead = { namespace = local.own, metric = "Overhead", dimensions = { Gateway = local.prefix }, stat = "p99" } }
    }
  }

  alarms_of_providers = {
    for provider in var.providers_enabled : "${local.prefix}-${provider}-breaker-open" => {
      runbook     = "breaker-open"
      description = "The circuit breaker of ${provider} opened: calls to it are refused."
      threshold   = 1
      metrics     = { opened = { namespace = local.own, metric = "CircuitBreakerOpened", dimensions = { Gateway = local.prefix, Provider = provider }, stat = "Sum" } }
    }
  }

  alarms_of_money = {
    "${local.prefix}-budget" = {
      runbook     = "budget"
      description = "Models cost ${var.spend_alarm_usd_per_hour} US dollars or more within an hour."
      threshold   = var.spend_alarm_usd_per_hour
      period      = 3600
      expression  = join(" + ", [for provider in var.providers_enabled : "FILL(${provider}, 0)"])
      metrics = {
        for provider in var.providers_enabled : provider => { namespace = local.own, metric = "Cost", dimensions = { Gateway = local.prefix, Provider = provider }, stat = "Sum" }
      }
    }
    "${local.prefix}-overruns" = {
      runbook     = "overruns"
      description = "A provider billed more than was held for a call: a budget may be exceeded by that much."
      threshold   = 1
      metrics     = { calls = { namespace = local.own, metric = "Overruns", dimensions = { Gateway = local.prefix }, stat = "Sum" } }
    }
    "${local.prefix}-rows-stuck" = {
      runbook     = "rows-stuck"
      description = "The sweeper could not expire a row: what its call held stays held."
      threshold   = 1
      metrics     = { stuck = { namespace = local.own, metric = "RowsStuck", dimensions = { Gateway = local.prefix }, stat = "Sum" } }
    }
    "${local.prefix}-rows-parked" = {
      runbook     = "rows-parked"
      description = "The consumer could not read a record: a call is missing from the usage report."
      threshold   = 1
      metrics     = { parked = { namespace = local.own, metric = "RowsParked", dimensions = { Gateway = local.prefix }, stat = "Sum" } }
    }
  }

  alarms_of_tables = {
    for key, name in local.table_names : "${name}-table-throttles" => {
      runbook     = "table-throttles"
      description = "DynamoDB refused reads or writes of ${name} for 5 minutes."
      threshold   = 1
      expression  = "FILL(reads, 0) + FILL(writes, 0)"
      metrics = {
        reads  = { namespace = "AWS/DynamoDB", metric = "ReadThrottleEvents", dimensions = { TableName = name }, stat = "Sum" }
        writes = { namespace = "AWS/DynamoDB", metric = "WriteThrottleEvents", dimensions = { TableName = name }, stat = "Sum" }
      }
    }
  }

  alarms = {
    for name, alarm in merge(
      local.alarms_of_functions, local.alarms_of_schedules, local.alarms_of_streams, local.alarms_of_api,
      local.alarms_of_providers, local.alarms_of_money, local.alarms_of_tables,
      ) : name => {
      runbook     = alarm.runbook
      description = "${alarm.description} What to do: docs/runbooks/${alarm.runbook}.md"
      threshold   = alarm.threshold
      comparison  = try(alarm.comparison, "GreaterThanOrEqualToThreshold")
      period      = try(alarm.period, 300)
      evaluations = try(alarm.evaluations, 1)
      missing     = try(alarm.missing, "notBreaching")
      expression  = try(alarm.expression, null)
      # One metric alone stands in the alarm itself, several in queries of their own below it.
      single  = try(alarm.expression, null) == null ? one(values(alarm.metrics)) : null
      metrics = alarm.metrics
    } if local.full
  }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name          = each.key
  alarm_description   = each.value.description
  comparison_operator = each.value.comparison
  threshold           = each.value.threshold
  evaluation_periods  = each.value.evaluations
  treat_missing_data  = each.value.missing
  alarm_actions       = [aws_sns_topic.alarms[0].arn]
  ok_actions          = [aws_sns_topic.alarms[0].arn]

  namespace          = try(each.value.single.namespace, null)
  metric_name        = try(each.value.single.metric, null)
  dimensions         = try(each.value.single.dimensions, null)
  period             = each.value.single == null ? null : each.value.period
  statistic          = each.value.single == null ? null : startswith(each.value.single.stat, "p") ? null : each.value.single.stat
  extended_statistic = each.value.single == null ? null : startswith(each.value.single.stat, "p") ? each.value.single.stat : null

  dynamic "metric_query" {
    for_each = each.value.expression[*]
    content {
      id          = "total"
      expression  = metric_query.value
      label       = "total"
      return_data = true
    }
  }

  dynamic "metric_query" {
    for_each = each.value.single == null ? each.value.metrics : {}
    content {
      id = metric_query.key
      metric {
        namespace   = metric_query.value.namespace
        metric_name = metric_query.value.metric
        dimensions  = metric_query.value.dimensions
        period      = each.value.period
        stat        = metric_query.value.stat
      }
    }
  }
}

resource "aws_sns_topic" "alarms" {
  #checkov:skip=CKV_AWS_26:CloudWatch can't publish through AWS's own SNS key, and the messages are names of alarms; kms_key_arn encrypts them

  count = local.full ? 1 : 0

  name              = "${local.prefix}-alarms"
  kms_master_key_id = var.kms_key_arn
}

resource "aws_sns_topic_subscription" "email" {
  count = local.full && var.alarm_email != null ? 1 : 0

  topic_arn = aws_sns_topic.alarms[0].arn
  protocol  = "email"
  endpoint  = var.alarm_email
}
