output "name" {
  description = "Name of the table."
  value       = aws_dynamodb_table.this.name
}

output "stream_arn" {
  description = "ARN of its stream of changes; null without one."
  value       = aws_dynamodb_table.this.stream_arn
}
