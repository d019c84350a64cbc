output "name" {
  description = "Name of the table."
  value       = aws_dynamodb_table.this.name
}

output "stream_arn" {
  description = "ARN of the table's stream of changes; null if it has no stream."
  value       = aws_dynamodb_table.this.stream_arn
}
