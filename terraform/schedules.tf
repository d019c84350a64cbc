locals {
  # Seconds from one run to the next; null if a schedule is not a rate, which checks.tf refuses.
  schedule_seconds = {
    for key, function in local.functions_on_schedule : key => try([
      for parts in [regex("^rate\\(([0-9]+) (minute|hour|day)s?\\)$", function.event.schedule)] :
      tonumber(parts[0]) * { minute = 60, hour = 3600, day = 86400 }[parts[1]]
    ][0], null)
  }
}

resource "aws_scheduler_schedule" "this" {
  #checkov:skip=CKV_AWS_297:AWS's own keys encrypt everything unless kms_key_arn names a key: a customer-managed key costs money and needs care

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

    # No retries, neither here nor below: the next run does the work that a failed run left, and two runs at once would do it twice.
    retry_policy {
      maximum_retry_attempts       = 0
      maximum_event_age_in_seconds = 60
    }
  }
}

# The scheduler only starts a run asynchronously. By default, Lambda would repeat a failed run
# twice, at the same time as the next run.
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
      # Without this condition, another account could make the service act in this account.
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
      # EventBridge Scheduler uses its role's rights to read a schedule that a customer-managed key encrypts.
      [for statement in local.statements_on_key : { Sid = statement.Sid, Effect = "Allow", Action = ["kms:Decrypt"], Resource = statement.Resource }],
    )
  })
}
