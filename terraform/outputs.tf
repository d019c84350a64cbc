locals {
  # US dollars a month for each kind; prices are the same in every region that offers it. They are computed in cents, because
  # dollars would not add up exactly.
  idle_costs = {
    secrets    = length(local.secret_names) * 40 / 100
    alarms     = sum(concat([0], [for alarm in local.alarms : length(alarm.metrics)])) * 10 / 100
    composites = length(aws_cloudwatch_composite_alarm.slo) * 50 / 100
    dashboards = length(aws_cloudwatch_dashboard.this) * 3
  }

  # If the HTTP API is closed, the streaming door is the gateway.
  url = var.custom_domain != null ? "https://${var.custom_domain.name}" : var.http_api_closed ? local.stream_url : aws_apigatewayv2_api.this.api_endpoint
}

output "url" {
  description = "Base URL of the gateway. With http_api_closed it is the streaming door's."
  value       = local.url
}

output "openai_base_url" {
  description = "Base URL for OpenAI's client libraries. Answers come whole and within 28 seconds, unless a custom domain leads to the streaming door."
  value       = "${local.url}/v1"
}

output "stream_url" {
  description = "Base URL of the streaming door. Anthropic's clients use it as it is; for OpenAI's clients append /v1. With a custom domain it is the same as url. A private one is reached only from the VPC of the first endpoint in vpc_endpoint_ids."
  value       = var.custom_domain == null ? local.stream_url : local.url
}

output "stream_private_urls" {
  description = "VPC endpoint -> base URL of the private streaming door through it. These names can be resolved anywhere, but they lead to the endpoint's addresses in its VPC. Null if the door is REGIONAL."
  value       = local.private ? local.stream_private_urls : null
}

output "curl" {
  description = "A command that works as it is printed."
  value       = "curl -sS ${local.url}/health"
}

output "region" {
  description = "AWS region in which everything is created."
  value       = var.region
}

output "functions" {
  description = "Names of the functions."
  value       = { for key, function in module.function : key => function.name }
}

output "tables" {
  description = "Names of the tables."
  value       = { for key, table in module.table : key => table.name }
}

output "secrets" {
  description = "Names of the providers' secrets; `make secret` sets their values."
  value       = { for key, secret in aws_secretsmanager_secret.provider : key => secret.name }
}

output "log_groups" {
  description = "Names of the log groups."
  value       = merge({ for key, function in module.function : key => function.log_group }, { access = aws_cloudwatch_log_group.access.name, stream_access = aws_cloudwatch_log_group.stream_access.name })
}

output "alarm_topic" {
  description = "ARN of the SNS topic to which alarms are sent; null in the profile minimal."
  value       = one(aws_sns_topic.alarms[*].arn)
}

output "dashboard" {
  description = "Address of the dashboard in the AWS console; null in the profile minimal."
  value       = one([for each in aws_cloudwatch_dashboard.this : "https://${var.region}.console.aws.amazon.com/cloudwatch/home?region=${var.region}#dashboards/dashboard/${each.dashboard_name}"])
}

output "custom_domain_target" {
  description = "Target of the custom domain's DNS record (a CNAME, or an alias in this zone); null without a custom domain."
  value = one([
    for domain in aws_apigatewayv2_domain_name.this : {
      name    = domain.domain_name_configuration[0].target_domain_name
      zone_id = domain.domain_name_configuration[0].hosted_zone_id
    }
  ])
}

output "idle_cost_usd_per_month" {
  description = "The monthly cost of a gateway that nobody calls, from list prices (docs/deployment.md). Calls cost extra."
  value       = merge(local.idle_costs, { total = sum([for cost in values(local.idle_costs) : cost * 100]) / 100 })
}
