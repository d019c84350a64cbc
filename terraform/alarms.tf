# Alarms exist only in the profile full: an alarm costs 0.10 US dollars a month for each metric that it uses. The name of each
# alarm ends in the name of its page in docs/runbooks, which says what the alarm means and what to do.

locals {
  full = var.profile == "full"

  # The functions that callers reach, each with a class of routes: admin, catalogue and MCP, health, paid calls at either door;
  # and the authorizer, which checks each caller's key. Jobs are watched by their results: silent, iterator-age, uncounted.
  functions_of_callers = {
    for key in concat(keys(local.functions_with_routes), keys(local.functions_that_stream), local.authorizer[*]) : key => local.function_names[key]
  }

  # Shares, not counts, so that a threshold means the same at ten calls a minute and at ten thousand. There must be at least
  # five failures, because one failed call of two does not mean that half of the callers are affected.
  alarms_of_functions = merge([
    for key, name in local.functions_of_callers : {
      "${name}-errors" = {
        runbook     = "errors"
        description = "${name}: 5 % or more of the runs within 5 minutes crashed or ended with a server error."
        threshold   = 5
        expression  = "IF(FILL(crashed, 0) + FILL(failed, 0) >= 5, 100 * (FILL(crashed, 0) + FILL(failed, 0)) / FILL(runs, 1), 0)"
        metrics = {
          crashed = { namespace = "AWS/Lambda", metric = "Errors", dimensions = { FunctionName = name }, stat = "Sum" }
          failed  = { namespace = local.own, metric = "Errors", dimensions = { FunctionName = name }, stat = "Sum" }
          runs    = { namespace = "AWS/Lambda", metric = "Invocations", dimensions = { FunctionName = name }, stat = "Sum" }
        }
      }
      "${name}-throttles" = {
        runbook     = "throttles"
        description = "${name}: Lambda refused 1 % or more of the runs within 5 minutes."
        threshold   = 1
        expression  = "IF(FILL(refused, 0) >= 5, 100 * FILL(refused, 0) / (FILL(runs, 0) + FILL(refused, 1)), 0)"
        metrics = {
          refused = { namespace = "AWS/Lambda", metric = "Throttles", dimensions = { FunctionName = name }, stat = "Sum" }
          runs    = { namespace = "AWS/Lambda", metric = "Invocations", dimensions = { FunctionName = name }, stat = "Sum" }
        }
      }
    }
  ]...)

  # Executions of the whole account, whichever function uses them. This alarm is raised before any call is refused.
  alarms_of_account = {
    "${local.prefix}-concurrency" = {
      runbook     = "concurrency"
      description = "80 % of the Lambda executions that the account may run at once are in use."
      threshold   = floor((local.concurrency == 0 ? 1000 : local.concurrency) * 80 / 100)
      period      = 60
      evaluations = 5
      datapoints  = 3
      metrics     = { used = { namespace = "AWS/Lambda", metric = "ClaimedAccountConcurrency", dimensions = {}, stat = "Maximum" } }
    }
  }

  # Successful runs are counted, not starts, because a job that fails every hour is still started every hour. The alarm is raised
  # after three intervals without a success. An interval has at least 5 minutes. CloudWatch looks back at most 7 days, in periods
  # of at most a day (checks.tf).
  silent_periods = { for key, seconds in local.schedule_seconds : key => max(coalesce(seconds, 0), 300) }
  alarms_of_schedules = {
    for key, name in { for key in keys(local.functions_on_schedule) : key => local.function_names[key] } : "${name}-silent" => {
      runbook     = "silent"
      description = "No run of ${name} has succeeded for ${local.silent_periods[key] * 3 / 60} minutes."
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
      # Lambda reports the iterator's age only while the consumer runs. A consumer that is switched off, or that fails at each
      # batch, has no such metric.
      "${local.function_names[key]}-uncounted" = {
        runbook     = "uncounted"
        description = "For 2 hours calls cost money, but ${local.function_names[key]} counted no batch."
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
        description = "${local.function_names[key]} gave up records. They wait in the queue ${queue}."
        threshold   = 1
        metrics     = { messages = { namespace = "AWS/SQS", metric = "ApproximateNumberOfMessagesVisible", dimensions = { QueueName = queue }, stat = "Maximum" } }
      }
    }
  ]...)

  alarms_of_api = {
    "${local.prefix}-api-5xx" = {
      runbook     = "api-5xx"
      description = "The API answered 5 % or more of the calls within 5 minutes with a server error."
      threshold   = 5
      expression  = "IF(FILL(failed, 0) >= 5, 100 * FILL(failed, 0) / FILL(calls, 1), 0)"
      metrics = {
        failed = { namespace = "AWS/ApiGateway", metric = "5xx", dimensions = { ApiId = aws_apigatewayv2_api.this.id }, stat = "Sum" }
        calls  = { namespace = "AWS/ApiGateway", metric = "Count", dimensions = { ApiId = aws_apigatewayv2_api.this.id }, stat = "Sum" }
      }
    }
    "${local.prefix}-api-p99" = {
      runbook     = "api-p99"
      description = "For 15 minutes one answer in a hundred took 25 seconds or more. After 29 seconds callers get no answer."
      threshold   = 25000
      evaluations = 3
      metrics     = { latency = { namespace = "AWS/ApiGateway", metric = "Latency", dimensions = { ApiId = aws_apigatewayv2_api.this.id }, stat = "p99" } }
    }
    "${local.prefix}-stream-5xx" = {
      runbook     = "stream-5xx"
      description = "The streaming door answered 5 % or more of the calls within 5 minutes with a server error."
      threshold   = 5
      expression  = "IF(FILL(failed, 0) >= 5, 100 * FILL(failed, 0) / FILL(calls, 1), 0)"
      metrics = {
        failed = { namespace = "AWS/ApiGateway", metric = "5XXError", dimensions = { ApiName = aws_api_gateway_rest_api.stream.name }, stat = "Sum" }
        calls  = { namespace = "AWS/ApiGateway", metric = "Count", dimensions = { ApiName = aws_api_gateway_rest_api.stream.name }, stat = "Sum" }
      }
    }
    # After 10 seconds of silence the gateway sends a ping. So if the first byte comes later than that, the model had sent nothing
    # until then.
    "${local.prefix}-first-byte" = {
      runbook     = "first-byte"
      description = "For 15 minutes one stream in ten needed 10 seconds or more until its first byte."
      threshold   = 10000
      evaluations = 3
      metrics     = { wait = { namespace = local.own, metric = "FirstByte", dimensions = { Gateway = local.prefix }, stat = "p90" } }
    }
  }

  alarms_of_providers = {
    for provider in var.providers_enabled : "${local.prefix}-${provider}-breaker-open" => {
      runbook     = "breaker-open"
      description = "A circuit breaker of ${provider} opened. Calls to that model or host are refused."
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
      description = "A provider billed more for a call than the call's hold. A budget may be exceeded by the difference."
      threshold   = 1
      metrics     = { calls = { namespace = local.own, metric = "Overruns", dimensions = { Gateway = local.prefix }, stat = "Sum" } }
    }
    # If a reply is lost, a few cents stay held until the next reconcile. Dollars within an hour are a defect.
    "${local.prefix}-ledger-drift" = {
      runbook     = "ledger-drift"
      description = "The reconcile corrected the ledger by 1 US dollar or more within an hour."
      threshold   = 1
      period      = 3600
      metrics     = { drift = { namespace = local.own, metric = "LedgerDrift", dimensions = { Gateway = local.prefix }, stat = "Sum" } }
    }
    "${local.prefix}-rows-stuck" = {
      runbook     = "rows-stuck"
      description = "The sweeper could not expire a row, so the hold of its call was not released."
      threshold   = 1
      metrics     = { stuck = { namespace = local.own, metric = "RowsStuck", dimensions = { Gateway = local.prefix }, stat = "Sum" } }
    }
    "${local.prefix}-rows-parked" = {
      runbook     = "rows-parked"
      description = "The consumer could not read a record, so a call is missing from the usage report."
      threshold   = 1
      metrics     = { parked = { namespace = local.own, metric = "RowsParked", dimensions = { Gateway = local.prefix }, stat = "Sum" } }
    }
  }

  # A single refusal does no harm, because the call is retried. Refusals in two periods of three mean that the table can't take
  # the load. An index is throttled separately, and then writes to its table are refused too.
  alarms_of_tables = {
    for key, name in local.table_names : "${name}-table-throttles" => {
      runbook     = "table-throttles"
      description = "DynamoDB refused reads or writes of ${name} or its indexes in 10 of 15 minutes."
      threshold   = 1
      evaluations = 3
      datapoints  = 2
      expression  = join(" + ", [for id in keys(local.throttled[key]) : "FILL(${id}, 0)"])
      metrics     = local.throttled[key]
    }
  }
  throttled = {
    for key, name in local.table_names : key => merge([
      for kind, metric in { reads = "ReadThrottleEvents", writes = "WriteThrottleEvents" } : merge(
        { (kind) = { namespace = "AWS/DynamoDB", metric = metric, dimensions = { TableName = name }, stat = "Sum" } },
        {
          for index in keys(local.table_keys[key].indexes) :
          "${kind}_${replace(index, "-", "_")}" => { namespace = "AWS/DynamoDB", metric = metric, dimensions = { TableName = name, GlobalSecondaryIndexName = index }, stat = "Sum" }
        },
      )
    ]...)
  }

  alarms = {
    for name, alarm in merge(
      local.alarms_of_functions, local.alarms_of_account, local.alarms_of_schedules, local.alarms_of_streams, local.alarms_of_api,
      local.alarms_of_providers, local.alarms_of_money, local.alarms_of_tables, local.alarms_of_objectives,
      ) : name => {
      runbook     = alarm.runbook
      description = "${alarm.description} What to do: docs/runbooks/${alarm.runbook}.md"
      threshold   = alarm.threshold
      comparison  = try(alarm.comparison, "GreaterThanOrEqualToThreshold")
      period      = try(alarm.period, 300)
      evaluations = try(alarm.evaluations, 1)
      datapoints  = try(alarm.datapoints, null)
      missing     = try(alarm.missing, "notBreaching")
      expression  = try(alarm.expression, null)
      # False if the alarm is part of a composite alarm (slo.tf), which notifies instead.
      told = try(alarm.told, true)
      # A single metric is written in the alarm itself; several metrics are written as metric queries.
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
  datapoints_to_alarm = each.value.datapoints
  treat_missing_data  = each.value.missing
  alarm_actions       = each.value.told ? [aws_sns_topic.alarms[0].arn] : []
  ok_actions          = each.value.told ? [aws_sns_topic.alarms[0].arn] : []

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
  #checkov:skip=CKV_AWS_26:CloudWatch can't publish to a topic that AWS's own SNS key encrypts, and the messages only name alarms; kms_key_arn encrypts them

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
