# One Lambda function: its role, its log group, a version for each change, and the alias `live`, which all callers use.

resource "aws_cloudwatch_log_group" "this" {
  #checkov:skip=CKV_AWS_158:AWS's own keys encrypt everything unless kms_key_arn names a key: a customer-managed key costs money and needs care

  name              = "/aws/lambda/${var.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_iam_role" "this" {
  name                 = var.name
  path                 = var.iam_path
  permissions_boundary = var.permissions_boundary_arn
  description          = "Execution role of the function ${var.name}"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "lambda.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy" "this" {
  name = "rights"
  role = aws_iam_role.this.name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      for statement in var.statements : merge(
        { Effect = "Allow", Sid = statement.Sid, Action = statement.Action, Resource = statement.Resource },
        {
          # ForAllValues would allow a call that names no partition. The condition Null denies it.
          for partitions in [statement.Partitions] : "Condition" => {
            "ForAllValues:StringLike" = { "dynamodb:LeadingKeys" = sort(partitions) }
            Null                      = { "dynamodb:LeadingKeys" = "false" }
          } if partitions != null
        },
        {
          for profiles in [statement.Profiles] : "Condition" => {
            ArnLike = { "bedrock:InferenceProfileArn" = sort(profiles) }
          } if profiles != null
        },
      )
    ]
  })
}

resource "aws_lambda_function" "this" {
  #checkov:skip=CKV_AWS_116:only a schedule calls it asynchronously, and its next run does the same work; records that a stream's consumer can't process go to its failure queue
  #checkov:skip=CKV_AWS_117:it only talks to public endpoints of AWS and of providers, so a VPC would add the cost of a NAT gateway and protect nothing
  #checkov:skip=CKV_AWS_272:signing needs a signing profile in each account; the zips are reproducible and compared by SHA-256

  function_name = var.name
  description   = var.description
  role          = aws_iam_role.this.arn
  runtime       = "python3.13"
  architectures = [var.architecture]
  handler       = var.handler
  memory_size   = var.memory
  timeout       = var.timeout
  layers        = var.layers
  kms_key_arn   = var.kms_key_arn
  publish       = true

  filename         = var.package.filename
  s3_bucket        = var.package.s3_bucket
  s3_key           = var.package.s3_key
  source_code_hash = var.package.hash

  reserved_concurrent_executions = var.reserved_concurrency

  environment {
    variables = var.environment
  }

  tracing_config {
    mode = "Active"
  }

  logging_config {
    log_format = "JSON"
    log_group  = aws_cloudwatch_log_group.this.name
  }

  dynamic "snap_start" {
    for_each = var.snap_start ? ["PublishedVersions"] : []
    content {
      apply_on = snap_start.value
    }
  }

  # If a function started before it has its rights, its first calls would fail.
  depends_on = [aws_iam_role_policy.this]
}

resource "aws_lambda_alias" "live" {
  name             = "live"
  description      = "The version that callers use"
  function_name    = aws_lambda_function.this.function_name
  function_version = aws_lambda_function.this.version
}

resource "aws_lambda_provisioned_concurrency_config" "this" {
  count = var.provisioned_concurrency > 0 ? 1 : 0

  function_name                     = aws_lambda_function.this.function_name
  qualifier                         = aws_lambda_alias.live.name
  provisioned_concurrent_executions = var.provisioned_concurrency
}
