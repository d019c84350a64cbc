# Profile full only: alarms cost 0.10 US dollars a month each, a dashboard 3.

locals {
  full = var.profile == "full"

  alarms_of_functions = {
    for alarm in flatten([
      for key, name in local.function_names : [
        { key = key, metric = "Errors", statistic = "Sum", threshold = 5, unit = "errors in 5 minutes" },
        { key = key, metric = "Throttles", statistic = "Sum", threshold = 1, unit = "refused runs in 5 minutes: concurrency is used up" },
      ]
      ]) : "${local.function_names[alarm.key]}-${lower(alarm.metric)}" => {
      namespace   = "AWS/Lambda"
      metric      = alarm.metric
      dimensions  = { FunctionName = local.function_names[alarm.key] }
      statistic   = alarm.statistic
      threshold   = alarm.threshold
      description = "${local.function_names[alarm.key]}: ${alarm.threshold} or more ${alarm.unit}."
    }
  }

  alarms_of_streams = merge([
    for key, queue in local.failure_queue_names : {
      "${local.function_names[key]}-lag" = {
        namespace   = "AWS/Lambda"
        metric      = "IteratorAge"
        dimensions  = { FunctionName = local.function_names[key] }
        statistic   = "Maximum"
        threshold   = 60000
        description = "${local.function_names[key]} is a minute or more behind its stream."
      }
      "${queue}-filled" = {
        namespace   = "AWS/SQS"
        metric      = "ApproximateNumberOfMessagesVisible"
        dimensions  = { QueueName = queue }
        statistic   = "Maximum"
        threshold   = 1
        description = "${local.function_names[key]} gave records up: they wait in ${queue}."
      }
    }
  ]...)

  alarms_of_api = {
    "${local.prefix}-api-5xx" = {
      namespace   = "AWS/ApiGateway"
      metric      = "5xx"
      dimensions  = { ApiId = aws_apigatewayv2_api.this.id }
      statistic   = "Sum"
      threshold   = 10
      description = "The API answered 10 or more times in 5 minutes with a server error."
    }
  }

  alarms = local.full ? merge(local.alarms_of_functions, local.alarms_of_streams, local.alarms_of_api) : {}
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name          = each.key
  alarm_description   = each.value.description
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  threshold           = each.value.threshold
  comparison_operator = "GreaterThanOrEqualToThreshold"
  period              = 300
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms[0].arn]
  ok_actions          = [aws_sns_topic.alarms[0].arn]
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

resource "aws_cloudwatch_dashboard" "this" {
  count = local.full ? 1 : 0

  dashboard_name = local.prefix
  dashboard_body = jsonencode({
    widgets = [
      for index, metric in ["Invocations", "Errors", "Throttles", "Duration"] : {
        type   = "metric"
        x      = (index % 2) * 12
        y      = floor(index / 2) * 6
        width  = 12
        height = 6
        properties = {
          title   = metric
          region  = var.region
          view    = "timeSeries"
          period  = 300
          stat    = metric == "Duration" ? "p95" : "Sum"
          metrics = [for name in values(local.function_names) : ["AWS/Lambda", metric, "FunctionName", name]]
        }
      }
    ]
  })
}
