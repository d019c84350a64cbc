# The topic for budget alerts. It exists in every profile, because a topic costs nothing until it sends a message.

locals {
  budget_topic_arn = "arn:${local.partition}:sns:${var.region}:${local.account}:${local.prefix}-budgets"
}

resource "aws_sns_topic" "budgets" {
  #checkov:skip=CKV_AWS_26:AWS's own keys encrypt everything unless kms_key_arn names a key; the messages are names and sums

  name              = "${local.prefix}-budgets"
  kms_master_key_id = var.kms_key_arn
}

resource "aws_sns_topic_subscription" "budgets" {
  count = var.alarm_email != null ? 1 : 0

  topic_arn = aws_sns_topic.budgets.arn
  protocol  = "email"
  endpoint  = var.alarm_email
}
