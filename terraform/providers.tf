provider "aws" {
  region              = var.region
  allowed_account_ids = var.account_ids

  # An emulator does not have the AWS services that check credentials.
  skip_credentials_validation = local.emulated
  skip_metadata_api_check     = local.emulated
  skip_requesting_account_id  = local.emulated

  default_tags {
    tags = merge(var.tags, {
      application = var.name
      environment = var.environment
    })
  }

  dynamic "assume_role" {
    for_each = var.deploy_role_arn[*]
    content {
      role_arn     = assume_role.value
      session_name = "${var.name}-${var.environment}-terraform"
    }
  }

  dynamic "endpoints" {
    for_each = var.emulator_endpoint[*]
    content {
      apigateway     = endpoints.value
      apigatewayv2   = endpoints.value
      backup         = endpoints.value
      cloudwatch     = endpoints.value
      cloudwatchlogs = endpoints.value
      dynamodb       = endpoints.value
      iam            = endpoints.value
      lambda         = endpoints.value
      scheduler      = endpoints.value
      secretsmanager = endpoints.value
      servicequotas  = endpoints.value
      sns            = endpoints.value
      sqs            = endpoints.value
      sts            = endpoints.value
      wafv2          = endpoints.value
    }
  }
}

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

locals {
  emulated  = var.emulator_endpoint != null
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
}
