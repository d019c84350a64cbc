# What callers are promised, and how fast it is being used up (profile full). An objective of 99.9 % leaves 0.1 % of a month's
# calls to fail, its budget. An alarm is raised where the budget burns so fast that it would be gone in two days (14.4 times as
# fast as it may, in an hour and still in the last 5 minutes) or in five (6 times, in 6 hours and in the last 30 minutes): the
# long window says that it matters, the short one that it goes on. Either pair raises one composite alarm, which tells.

locals {
  # Per cent that has to be well; milliseconds of the gateway's own part of a paid call.
  objectives  = { availability = 99.9, latency = 99 }
  own_part_ms = 300

  windows = {
    "5m"  = { seconds = 300, burn = 14.4 }
    "1h"  = { seconds = 3600, burn = 14.4 }
    "30m" = { seconds = 1800, burn = 6 }
    "6h"  = { seconds = 21600, burn = 6 }
  }

  # Server errors of both doors among all their answers.
  answered = {
    failed_api    = { namespace = "AWS/ApiGateway", metric = "5xx", dimensions = { ApiId = aws_apigatewayv2_api.this.id }, stat = "Sum" }
    failed_stream = { namespace = "AWS/ApiGateway", metric = "5XXError", dimensions = { ApiName = aws_api_gateway_rest_api.stream.name }, stat = "Sum" }
    calls_api     = { namespace = "AWS/ApiGateway", metric = "Count", dimensions = { ApiId = aws_apigatewayv2_api.this.id }, stat = "Sum" }
    calls_stream  = { namespace = "AWS/ApiGateway", metric = "Count", dimensions = { ApiName = aws_api_gateway_rest_api.stream.name }, stat = "Sum" }
  }
  failed = "(FILL(failed_api, 0) + FILL(failed_stream, 0))"

  # The share that may be slow, 1 %, times the burn: where it is passed, this percentile lies above what is promised.
  slow_percentiles = { for window, each in local.windows : window => "p${100 - (100 - local.objectives.latency) * each.burn}" }

  alarms_of_objectives = merge([
    for window, each in local.windows : {
      "${local.prefix}-${window}-slo-availability" = {
        runbook     = "slo-availability"
        description = "Within ${window} server errors used the error budget ${each.burn} times as fast as it may be."
        # A tenth of a per cent times the burn, in thousandths, since binary fractions would not come out even.
        threshold  = floor((1000 - local.objectives.availability * 10) * each.burn * 10 + 0.5) / 100
        period     = each.seconds
        expression = "IF(${local.failed} >= 5, 100 * ${local.failed} / (FILL(calls_api, 0) + FILL(calls_stream, 1)), 0)"
        told       = false
        metrics    = local.answered
      }
      "${local.prefix}-${window}-slo-latency" = {
        runbook     = "slo-latency"
        description = "Within ${window} the gateway's own part of too many paid calls was ${local.own_part_ms} ms or more: ${each.burn} times the share that may be slow."
        threshold   = local.own_part_ms
        period      = each.seconds
        # A few calls are all cold starts.
        expression = "IF(FILL(calls, 0) >= 20, FILL(own, 0), 0)"
        told       = false
        metrics = {
          calls = { namespace = local.own, metric = "Overhead", dimensions = { Gateway = local.prefix }, stat = "SampleCount" }
          own   = { namespace = local.own, metric = "Overhead", dimensions = { Gateway = local.prefix }, stat = local.slow_percentiles[window] }
        }
      }
    }
  ]...)

  composites = {
    for objective, words in {
      availability = "Server errors use up the month's error budget (${local.objectives.availability} % of answers are well)."
      latency      = "The gateway's own part of paid calls is slow (${local.objectives.latency} % take less than ${local.own_part_ms} ms)."
      } : "${local.prefix}-slo-${objective}" => {
      description = "${words} What to do: docs/runbooks/slo-${objective}.md"
      rule = join(" OR ", [
        for pair in [["5m", "1h"], ["30m", "6h"]] :
        "(${join(" AND ", [for window in pair : "ALARM(\"${local.prefix}-${window}-slo-${objective}\")"])})"
      ])
    } if local.full
  }
}

resource "aws_cloudwatch_composite_alarm" "slo" {
  for_each = local.composites

  alarm_name        = each.key
  alarm_description = each.value.description
  alarm_rule        = each.value.rule
  alarm_actions     = [aws_sns_topic.alarms[0].arn]
  ok_actions        = [aws_sns_topic.alarms[0].arn]

  # AWS refuses a rule about an alarm that is not there.
  depends_on = [aws_cloudwatch_metric_alarm.this]
}
