# One Lambda function: its role, its log group, a version for each change and the alias `live` that everything calls.

resource "aws_cloudwatch_log_group" "this" {
  #checkov:skip=CKV_AWS_158:every key is AWS's own unless kms_key_arn names one: a key of one's own costs and has to be looked after

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
          # A call that names no partition would pass ForAllValues: Null refuses it.
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
  #checkov:skip=CKV_AWS_116:nothing calls it asynchronously but a schedule, whose next run does the same; what a stream's consumer can't take goes to its failure queue
  #checkov:skip=CKV_AWS_117:all it talks to are AWS's and providers' public endpoints, so that a VPC would add a NAT gateway's cost and protect nothing
  #checkov:skip=CKV_AWS_272:signing needs a profile of the account's own; the zips are reproducible and compared by SHA-256

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

  # A function that starts before its rights are there fails its first calls.
  depends_on = [aws_iam_role_policy.this]
}

resource "aws_lambda_alias" "live" {
  name             = "live"
  description      = "The version that is called"
  function_name    = aws_lambda_function.this.function_name
  function_version = aws_lambda_function.this.version
}

resource "aws_lambda_provisioned_concurrency_config" "this" {
  count = var.provisioned_concurrency > 0 ? 1 : 0

  function_name                     = aws_lambda_function.this.function_name
  qualifier                         = aws_lambda_alias.live.name
  provisioned_concurrent_executions = var.provisioned_concurrency
}
