# Saved queries of CloudWatch Logs Insights, in a folder that is named <name>-<environment>. A query costs nothing until it is run.

locals {
  queries = {
    slowest-calls = [
      "filter message = \"request\"",
      "fields @timestamp, service, route, status, duration_ms, key_id, correlation_id",
      "sort duration_ms desc",
      "limit 50",
    ]
    time-by-route = [
      "filter message = \"request\"",
      "stats count(*) as calls, pct(duration_ms, 50) as p50, pct(duration_ms, 95) as p95, pct(duration_ms, 99) as p99 by route",
      "sort calls desc",
    ]
    refusals-by-key = [
      "filter message = \"refused\"",
      "stats count(*) as refusals by key_id, code, status",
      "sort refusals desc",
      "limit 100",
    ]
    shadow-refusals-by-key = [
      "filter message = \"shadow refusal\"",
      "stats count(*) as calls, max(used) as most by key_id, scope, shadowed",
      "sort calls desc",
      "limit 100",
    ]
    errors-by-correlation-id = [
      "filter level in [\"ERROR\", \"WARNING\"]",
      "fields @timestamp, correlation_id, service, level, message, code, cause, reason",
      "sort correlation_id, @timestamp",
      "limit 500",
    ]
    one-request = [
      "filter correlation_id = \"PUT THE CORRELATION ID HERE\"",
      "fields @timestamp, service, level, message, route, status, code, cause, provider, duration_ms, key_id",
      "sort @timestamp",
      "limit 200",
    ]
    cost-by-model = [
      "filter ispresent(Model)",
      "stats sum(Cost.0) as usd, count(*) as calls by Provider, Model",
      "sort usd desc",
    ]
    cost-by-hour = [
      "filter ispresent(Model)",
      "stats sum(Cost.0) as usd by bin(1h), Provider",
    ]
    provider-failures = [
      "filter message = \"refused\" and ispresent(provider)",
      "stats count(*) as failures by provider, upstream_status, reason, code",
      "sort failures desc",
    ]
    money-at-risk = [
      "filter message in [\"ledger step lost; reconcile finishes it\", \"overrun: the bill exceeds the hold\", \"poison record parked\", \"row expired\"]",
      "fields @timestamp, message, rid, record, reason, key_id",
      "sort @timestamp desc",
      "limit 200",
    ]
    cold-starts = [
      "filter type = \"platform.report\" and ispresent(record.metrics.initDurationMs)",
      "stats count(*) as starts, avg(record.metrics.initDurationMs) as average_ms, max(record.metrics.initDurationMs) as longest_ms by @log",
      "sort starts desc",
    ]
  }

  # Queries on the access logs of both doors: the requests that API Gateway answered itself, and why.
  queries_of_doors = {
    door-errors = [
      "filter status >= 500 or (ispresent(integration_error) and integration_error != \"-\") or (ispresent(authorizer_error) and authorizer_error != \"-\")",
      "fields @timestamp, @log, status, route, path, error, integration_error, authorizer_error, integration_ms, request_id",
      "sort @timestamp desc",
      "limit 200",
    ]
  }
}

resource "aws_cloudwatch_query_definition" "this" {
  # MiniStack has no saved queries.
  for_each = { for name, query in merge(local.queries, local.queries_of_doors) : name => query if !local.emulated }

  name            = "${local.prefix}/${each.key}"
  log_group_names = contains(keys(local.queries_of_doors), each.key) ? [aws_cloudwatch_log_group.access.name, aws_cloudwatch_log_group.stream_access.name] : [for name in values(local.function_names) : "/aws/lambda/${name}"]
  query_string    = join("\n| ", each.value)

  depends_on = [module.function]
}
