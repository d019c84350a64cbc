# The objectives that callers are promised, and alarms on how fast the error budget is used up (profile full). With an objective of
# 99.9 %, 0.1 % of a month's calls may fail: that is its error budget. An alarm is raised if the budget would be used up in two
# days or in five. Two days mean 14.4 times as fast as allowed, in the last hour and also in the last 5 minutes. Five days mean 6
# times as fast, in the last 6 hours and also in the last 30 minutes. The long window shows that the problem matters, the short
# one that it continues. Each pair of windows raises the same composite alarm, which notifies.

locals {
  # The per cent of calls that must be good, and the milliseconds that the gateway itself may need for a paid call.
  objectives  = { availability = 99.9, latency = 99 }
  own_part_ms = 300

  windows = {
    "5m"  = { seconds = 300, burn = 14.4 }
    "1h"  = { seconds = 3600, burn = 14.4 }
    "30m" = { seconds = 1800, burn = 6 }
    "6h"  = { seconds = 21600, burn = 6 }
  }

  # Server errors of both doors, and all of their answers.
  answered = {
    failed_api    = { namespace = "AWS/ApiGateway", metric = "5xx", dimensions = { ApiId = aws_apigatewayv2_api.this.id }, stat = "Sum" }
    failed_stream = { namespace = "AWS/ApiGateway", metric = "5XXError", dimensions = { ApiName = aws_api_gateway_rest_api.stream.name }, stat = "Sum" }
    calls_api     = { namespace = "AWS/ApiGateway", metric = "Count", dimensions = { ApiId = aws_apigatewayv2_api.this.id }, stat = "Sum" }
    calls_stream  = { namespace = "AWS/ApiGateway", metric = "Count", dimensions = { ApiName = aws_api_gateway_rest_api.stream.name }, stat = "Sum" }
  }
  failed = "(FILL(failed_api, 0) + FILL(failed_stream, 0))"

  # 1 % of the calls may be slow. If that share times the burn rate is exceeded, this percentile is above the promised time.
  slow_percentiles = { for window, each in local.windows : window => "p${100 - (100 - local.objectives.latency) * each.burn}" }

  alarms_of_objectives = merge([
    for window, each in local.windows : {
      "${local.prefix}-${window}-slo-availability" = {
        runbook     = "slo-availability"
        description = "Within ${window} server errors used up the error budget ${each.burn} times as fast as allowed."
        # A tenth of a per cent times the burn rate. It is computed in thousandths, because binary fractions would not be exact.
        threshold  = floor((1000 - local.objectives.availability * 10) * each.burn * 10 + 0.5) / 100
        period     = each.seconds
        expression = "IF(${local.failed} >= 5, 100 * ${local.failed} / (FILL(calls_api, 0) + FILL(calls_stream, 1)), 0)"
        told       = false
        metrics    = local.answered
      }
      "${local.prefix}-${window}-slo-latency" = {
        runbook     = "slo-latency"
        description = "Within ${window} the gateway itself needed ${local.own_part_ms} ms or more for too many paid calls: ${each.burn} times the share that may be slow."
        threshold   = local.own_part_ms
        period      = each.seconds
        # If there are only a few calls, all of them are cold starts.
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
      availability = "Server errors use up the month's error budget too fast (objective: ${local.objectives.availability} % of answers have no server error)."
      latency      = "The gateway itself is too slow in paid calls (objective: it needs less than ${local.own_part_ms} ms for ${local.objectives.latency} % of them)."
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

  # AWS refuses a rule that names an alarm which does not exist.
  depends_on = [aws_cloudwatch_metric_alarm.this]
}
