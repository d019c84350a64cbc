locals {
  # Seconds from one run to the next; null where a schedule is no rate, which checks.tf refuses.
  schedule_seconds = {
    for key, function in local.functions_on_schedule : key => try([
      for parts in [regex("^rate\\(([0-9]+) (minute|hour|day)s?\\)$", function.event.schedule)] :
      tonumber(parts[0]) * { minute = 60, hour = 3600, day = 86400 }[parts[1]]
    ][0], null)
  }
}

resource "aws_scheduler_schedule" "this" {
  #checkov:skip=CKV_AWS_297:every key is AWS's own unless kms_key_arn names one: a key of one's own costs and has to be looked after

  for_each = local.functions_on_schedule

  name                = local.function_names[each.key]
  description         = each.value.description
  schedule_expression = each.value.event.schedule
  kms_key_arn         = var.kms_key_arn

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = module.function[each.key].alias_arn
    role_arn = aws_iam_role.scheduler[0].arn

    # Not here and not below: what one run left undone the next one does, and two at once would do it twice.
    retry_policy {
      maximum_retry_attempts       = 0
      maximum_event_age_in_seconds = 60
    }
  }
}

# The scheduler hands a run over and is done; it is Lambda that would repeat one that failed, twice, beside the next run.
resource "aws_lambda_function_event_invoke_config" "schedule" {
  for_each = local.functions_on_schedule

  function_name                = module.function[each.key].name
  qualifier                    = module.function[each.key].alias
  maximum_retry_attempts       = 0
  maximum_event_age_in_seconds = min(max(local.schedule_seconds[each.key], 60), 21600)
}

resource "aws_iam_role" "scheduler" {
  count = length(local.functions_on_schedule) > 0 ? 1 : 0

  name                 = "${local.prefix}-scheduler"
  path                 = var.iam_path
  permissions_boundary = var.permissions_boundary_arn
  description          = "Lets EventBridge Scheduler start the scheduled functions"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "scheduler.amazonaws.com" }
      # Without this, the service could be made to act here for another account.
      Condition = { StringEquals = { "aws:SourceAccount" = local.account } }
    }]
  })
}

resource "aws_iam_role_policy" "scheduler" {
  count = length(aws_iam_role.scheduler)

  name = "rights"
  role = aws_iam_role.scheduler[count.index].name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [{
        Sid      = "Start"
        Effect   = "Allow"
        Action   = ["lambda:InvokeFunction"]
        Resource = [for key in keys(local.functions_on_schedule) : "arn:${local.partition}:lambda:${var.region}:${local.account}:function:${local.function_names[key]}:live"]
      }],
      # EventBridge Scheduler reads a schedule that is encrypted with one's own key by the rights of its role.
      [for statement in local.statements_on_key : { Sid = statement.Sid, Effect = "Allow", Action = ["kms:Decrypt"], Resource = statement.Resource }],
    )
  })
}
