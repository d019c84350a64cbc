output "name" {
  description = "Name of the function."
  value       = aws_lambda_function.this.function_name
}

output "role" {
  description = "Name of the function's execution role."
  value       = aws_iam_role.this.name
}

output "alias" {
  description = "Name of the alias that is called."
  value       = aws_lambda_alias.live.name
}

output "alias_arn" {
  description = "ARN of the alias that is called."
  value       = aws_lambda_alias.live.arn
}

output "invoke_arn" {
  description = "ARN with which API Gateway calls the alias."
  value       = aws_lambda_alias.live.invoke_arn
}

output "log_retention_days" {
  description = "For how many days the function's log is kept."
  value       = aws_cloudwatch_log_group.this.retention_in_days
}

output "tracing" {
  description = "Mode of X-Ray tracing."
  value       = aws_lambda_function.this.tracing_config[0].mode
}

output "log_group" {
  description = "Name of the function's log group."
  value       = aws_cloudwatch_log_group.this.name
}
