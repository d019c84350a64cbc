# One dashboard for each workspace, only in the profile full (3 US dollars a month). Numbers are at the top; below them, each row
# answers a question.
#
# A line of a chart is a metric with its dimensions, a search (one line for each value of the dimensions `by`), or an expression
# over lines that have an id.

locals {
  # Names, units and dimensions of the gateway's own metrics, from the same file that the code uses. checks.tf refuses a dashboard
  # or an alarm that names another metric.
  metrics = jsondecode(file("${local.root}/shared/gateway/data/metrics.json"))
  own     = local.metrics.namespace

  functions_of_api    = { for key in keys(local.functions_with_routes) : key => local.function_names[key] }
  functions_of_events = merge({ for key in keys(local.functions_on_streams) : key => local.function_names[key] }, { for key in keys(local.functions_on_schedule) : key => local.function_names[key] })

  # One number each, for the time range that is shown (24 hours unless somebody chooses another).
  providers_cost = { for provider in var.providers_enabled : "cost_${provider}" => { namespace = local.own, metric = "Cost", dimensions = { Gateway = local.prefix, Provider = provider }, stat = "Sum", id = "cost_${provider}" } }
  numbers = [
    {
      title = "Answers without server error"
      unit  = "%"
      lines = concat(
        [for id, metric in local.answered : merge(metric, { id = id })],
        [{ expression = "100 - 100 * ${local.failed} / (FILL(calls_api, 0) + FILL(calls_stream, 1))", label = "%; promised: ${local.objectives.availability}" }],
      )
    },
    {
      title = "The gateway's own time"
      unit  = "ms"
      lines = [{ namespace = local.own, metric = "Overhead", dimensions = { Gateway = local.prefix }, stat = "p99", label = "ms, p99; promised: ${local.own_part_ms}" }]
    },
    {
      title = "Spent on models"
      unit  = "US dollars"
      lines = concat(
        values(local.providers_cost),
        [{ expression = join(" + ", [for id in keys(local.providers_cost) : "FILL(${id}, 0)"]), label = "US dollars" }],
      )
    },
    {
      title = "Refused calls"
      unit  = "calls"
      lines = [
        { namespace = local.own, metric = "Refusals", dimensions = { Gateway = local.prefix }, by = ["Reason"], stat = "Sum", id = "refused" },
        { expression = "SUM(refused)", label = "calls" },
      ]
    },
    {
      title = "Delay of the bill"
      unit  = "ms"
      lines = [{ namespace = local.own, metric = "ConsumerLag", dimensions = { Gateway = local.prefix }, stat = "Maximum", label = "ms, maximum" }]
    },
    {
      title = "Corrections of the ledger"
      unit  = "US dollars"
      lines = [{ namespace = local.own, metric = "LedgerDrift", dimensions = { Gateway = local.prefix }, stat = "Sum", label = "US dollars" }]
    },
  ]

  rows = [
    {
      title = "Up: do callers get answers?"
      charts = [
        {
          title = "Answers of the API"
          unit  = "requests"
          lines = [
            for metric, label in { Count = "requests", "4xx" = "4xx", "5xx" = "5xx" } :
            { namespace = "AWS/ApiGateway", metric = metric, dimensions = { ApiId = aws_apigatewayv2_api.this.id }, stat = "Sum", label = label }
          ]
        },
        {
          title = "Runs by function"
          unit  = "runs"
          lines = [for key, name in local.function_names : { namespace = local.own, metric = "Requests", dimensions = { FunctionName = name }, stat = "Sum", label = key }]
        },
        {
          title = "Failed runs (not the caller's fault)"
          unit  = "runs"
          lines = [for key, name in local.function_names : { namespace = local.own, metric = "Errors", dimensions = { FunctionName = name }, stat = "Sum", label = key }]
        },
        {
          title = "Crashes and throttles of Lambda"
          unit  = "runs"
          lines = concat(
            [for key, name in local.function_names : { namespace = "AWS/Lambda", metric = "Errors", dimensions = { FunctionName = name }, stat = "Sum", label = "${key} crashed" }],
            [for key, name in local.function_names : { namespace = "AWS/Lambda", metric = "Throttles", dimensions = { FunctionName = name }, stat = "Sum", label = "${key} throttled" }],
          )
        },
      ]
    },
    {
      title = "Fast: how long do they wait?"
      charts = [
        {
          title = "Answer time of the API"
          unit  = "ms"
          marks = [{ value = local.alarms_of_api["${local.prefix}-api-p99"].threshold, label = "alarm (p99)" }]
          lines = [for stat in ["p50", "p95", "p99"] : { namespace = "AWS/ApiGateway", metric = "Latency", dimensions = { ApiId = aws_apigatewayv2_api.this.id }, stat = stat, label = stat }]
        },
        {
          title = "Run time by function, p95"
          unit  = "ms"
          lines = [for key, name in local.function_names : { namespace = local.own, metric = "Latency", dimensions = { FunctionName = name }, stat = "p95", label = key }]
        },
        {
          title = "The gateway's own time per paid call"
          unit  = "ms"
          marks = [{ value = local.own_part_ms, label = "promised for ${local.objectives.latency} %" }]
          lines = [for stat in ["p50", "p95", "p99"] : { namespace = local.own, metric = "Overhead", dimensions = { Gateway = local.prefix }, stat = stat, label = stat }]
        },
        {
          title = "The provider's time"
          unit  = "ms"
          lines = flatten([
            for provider in var.providers_enabled : [
              for stat in ["p50", "p95"] : { namespace = local.own, metric = "ProviderLatency", dimensions = { Gateway = local.prefix, Provider = provider }, stat = stat, label = "${provider} ${stat}" }
            ]
          ])
        },
      ]
    },
    {
      title = "Streams: how many are there, and how soon do they begin?"
      charts = [
        {
          title = "Answers at the streaming door"
          unit  = "requests"
          lines = [
            for metric, label in { Count = "requests", "4XXError" = "4xx", "5XXError" = "5xx" } :
            { namespace = "AWS/ApiGateway", metric = metric, dimensions = { ApiName = aws_api_gateway_rest_api.stream.name }, stat = "Sum", label = label }
          ]
        },
        {
          title = "Time to first byte"
          unit  = "ms"
          marks = [{ value = local.alarms_of_api["${local.prefix}-first-byte"].threshold, label = "alarm (p90)" }]
          lines = [for stat in ["p50", "p90", "p99"] : { namespace = local.own, metric = "FirstByte", dimensions = { Gateway = local.prefix }, stat = stat, label = stat }]
        },
        {
          title = "Executions in the whole account"
          unit  = "executions"
          marks = [{ value = local.alarms_of_account["${local.prefix}-concurrency"].threshold, label = "alarm" }]
          lines = [{ namespace = "AWS/Lambda", metric = "ClaimedAccountConcurrency", dimensions = {}, stat = "Maximum", label = "most at once" }]
        },
        {
          # One stream is one execution.
          title = "Streams in progress"
          unit  = "executions"
          lines = [{ namespace = "AWS/Lambda", metric = "ConcurrentExecutions", dimensions = { FunctionName = local.function_names[local.streaming] }, stat = "Maximum", label = "most at once" }]
        },
        {
          title = "How long streams take"
          unit  = "ms"
          lines = [for stat in ["p50", "p90", "Maximum"] : { namespace = "AWS/Lambda", metric = "Duration", dimensions = { FunctionName = local.function_names[local.streaming] }, stat = stat, label = stat }]
        },
      ]
    },
    {
      title = "Cost: how much is spent, and on which models?"
      charts = [
        {
          title   = "US dollars an hour, by provider"
          unit    = "US dollars"
          marks   = [{ value = var.spend_alarm_usd_per_hour, label = "alarm" }]
          stacked = true
          period  = 3600
          lines   = [for provider in var.providers_enabled : { namespace = local.own, metric = "Cost", dimensions = { Gateway = local.prefix, Provider = provider }, stat = "Sum", label = provider }]
        },
        {
          title   = "US dollars an hour, by model"
          unit    = "US dollars"
          stacked = true
          period  = 3600
          lines   = [{ namespace = local.own, metric = "Cost", dimensions = { Gateway = local.prefix }, by = ["Provider", "Model"], stat = "Sum" }]
        },
        {
          title = "Tokens"
          unit  = "tokens"
          lines = flatten([
            for provider in var.providers_enabled : [
              for metric, label in { InputTokens = "input", OutputTokens = "output" } :
              { namespace = local.own, metric = metric, dimensions = { Gateway = local.prefix, Provider = provider }, stat = "Sum", label = "${provider} ${label}" }
            ]
          ])
        },
        {
          # The provider bills the output until then, including the output that came before the gateway noticed.
          title = "Calls whose client had left"
          unit  = "calls"
          lines = [{ namespace = local.own, metric = "HangUps", dimensions = { Gateway = local.prefix }, stat = "Sum", label = "calls" }]
        },
      ]
    },
    {
      title = "Refused: which calls are refused, and why?"
      charts = [
        {
          title   = "Refusals by reason"
          unit    = "calls"
          stacked = true
          lines   = [{ namespace = local.own, metric = "Refusals", dimensions = { Gateway = local.prefix }, by = ["Reason"], stat = "Sum" }]
        },
        {
          # Read from the logs each time it is viewed: half a US cent for each GB that the functions logged in the time range.
          title = "Keys refused most often"
          query = [
            "filter message = \"refused\" and ispresent(key_id)",
            "stats count(*) as refusals by key_id, code",
            "sort refusals desc",
            "limit 10",
          ]
          lines = []
        },
        {
          title   = "Calls that shadow limits would have refused"
          unit    = "calls"
          stacked = true
          lines   = [{ namespace = local.own, metric = "ShadowRefusals", dimensions = { Gateway = local.prefix }, by = ["Limit", "Tier"], stat = "Sum" }]
        },
        {
          title = "Budgets that reached 50, 80 or 100 %"
          unit  = "alerts"
          lines = [{ namespace = local.own, metric = "BudgetAlerts", dimensions = { Gateway = local.prefix }, stat = "Sum", label = "alerts" }]
        },
      ]
    },
    {
      title = "Providers: which one fails?"
      charts = [
        {
          title = "Failed attempts"
          unit  = "attempts"
          lines = [for provider in var.providers_enabled : { namespace = local.own, metric = "ProviderErrors", dimensions = { Gateway = local.prefix, Provider = provider }, stat = "Sum", label = provider }]
        },
        {
          title = "Share of attempts that failed"
          unit  = "%"
          lines = concat(
            [for provider in var.providers_enabled : { namespace = local.own, metric = "ProviderErrors", dimensions = { Gateway = local.prefix, Provider = provider }, stat = "Sum", id = "${provider}_failed" }],
            [for provider in var.providers_enabled : { namespace = local.own, metric = "ProviderLatency", dimensions = { Gateway = local.prefix, Provider = provider }, stat = "SampleCount", id = "${provider}_all" }],
            [for provider in var.providers_enabled : { expression = "100 * FILL(${provider}_failed, 0) / ${provider}_all", label = provider }],
          )
        },
        {
          title = "Circuit breakers"
          unit  = "breakers"
          lines = flatten([
            for provider in var.providers_enabled : [
              for metric, label in { CircuitBreakerOpened = "opened", CircuitBreakerClosed = "closed" } :
              { namespace = local.own, metric = metric, dimensions = { Gateway = local.prefix, Provider = provider }, stat = "Sum", label = "${provider} ${label}" }
            ]
          ])
        },
      ]
    },
    {
      title = "Bill: does the consumer keep up?"
      charts = [
        {
          title = "Delay of the consumer"
          unit  = "ms"
          marks = [{ value = 60000, label = "alarm" }]
          lines = concat(
            [{ namespace = local.own, metric = "ConsumerLag", dimensions = { Gateway = local.prefix }, stat = "Maximum", label = "until a row is counted" }],
            [for key in keys(local.functions_on_streams) : { namespace = "AWS/Lambda", metric = "IteratorAge", dimensions = { FunctionName = local.function_names[key] }, stat = "Maximum", label = "until ${key} reads a record" }],
          )
        },
        {
          title = "Rows"
          unit  = "rows"
          lines = [
            for metric, label in { RowsCounted = "counted", RowsExpired = "expired by the sweeper", RowsParked = "parked (unreadable)", RowsStuck = "stuck (can't be expired)" } :
            { namespace = local.own, metric = metric, dimensions = { Gateway = local.prefix }, stat = "Sum", label = label }
          ]
        },
        {
          title = "Corrections by the reconcile"
          unit  = "dollars, calls, hours"
          marks = [{ value = local.alarms_of_money["${local.prefix}-ledger-drift"].threshold, label = "alarm (dollars)" }]
          lines = [
            for metric, label in { LedgerStepsLost = "lost steps", LedgerDrift = "US dollars corrected", HoursReconciled = "hours closed", Overruns = "calls that cost more than held" } :
            { namespace = local.own, metric = metric, dimensions = { Gateway = local.prefix }, stat = "Sum", label = label }
          ]
        },
        {
          title = "Successful runs of jobs"
          unit  = "runs"
          lines = [for key, name in local.functions_of_events : { namespace = local.own, metric = "Heartbeat", dimensions = { FunctionName = name }, stat = "Sum", label = key }]
        },
        {
          title = "Messages in the failure queue"
          unit  = "messages"
          lines = [for key, queue in local.failure_queue_names : { namespace = "AWS/SQS", metric = "ApproximateNumberOfMessagesVisible", dimensions = { QueueName = queue }, stat = "Maximum", label = key }]
        },
      ]
    },
    {
      title = "DynamoDB: do the tables take the load?"
      charts = [
        {
          title = "Throttled requests"
          unit  = "refusals"
          lines = concat(
            [for key, name in local.table_names : { namespace = "AWS/DynamoDB", metric = "ReadThrottleEvents", dimensions = { TableName = name }, stat = "Sum", label = "${key} reads" }],
            [for key, name in local.table_names : { namespace = "AWS/DynamoDB", metric = "WriteThrottleEvents", dimensions = { TableName = name }, stat = "Sum", label = "${key} writes" }],
          )
        },
        {
          title = "Write units used"
          unit  = "units"
          lines = [for key, name in local.table_names : { namespace = "AWS/DynamoDB", metric = "ConsumedWriteCapacityUnits", dimensions = { TableName = name }, stat = "Sum", label = key }]
        },
        {
          title = "Read units used"
          unit  = "units"
          lines = [for key, name in local.table_names : { namespace = "AWS/DynamoDB", metric = "ConsumedReadCapacityUnits", dimensions = { TableName = name }, stat = "Sum", label = key }]
        },
      ]
    },
  ]

  # A dashboard is 24 columns wide. The numbers are at the top. Then come the alarms, and a row of height 1 + 6 for each question.
  numbers_height = 3
  alarms_height  = 5
  rows_from      = local.numbers_height + local.alarms_height
  widgets = concat(
    [
      for column, chart in local.numbers : {
        type   = "metric"
        x      = column * 4
        y      = 0
        width  = 4
        height = local.numbers_height
        properties = {
          title                = chart.title
          region               = var.region
          view                 = "singleValue"
          period               = 86400
          setPeriodToTimeRange = true
          metrics              = local.drawn[jsonencode(["numbers", chart.title])]
        }
      }
    ],
    [{
      type   = "alarm"
      x      = 0
      y      = local.numbers_height
      width  = 24
      height = local.alarms_height
      # Without the alarms of single windows: their composite alarm notifies instead.
      properties = { title = "Alarms", alarms = [for name in concat(keys(local.composites), [for name, alarm in local.alarms : name if alarm.told]) : "arn:${local.partition}:cloudwatch:${var.region}:${local.account}:alarm:${name}"], sortBy = "stateUpdatedTimestamp" }
    }],
    flatten([
      for index, row in local.rows : concat(
        [{ type = "text", x = 0, y = local.rows_from + index * 7, width = 24, height = 1, properties = { markdown = "## ${row.title}", background = "transparent" } }],
        [
          for column, chart in row.charts : {
            type   = can(chart.query) ? "log" : "metric"
            x      = floor(column * 24 / length(row.charts))
            y      = local.rows_from + index * 7 + 1
            width  = floor((column + 1) * 24 / length(row.charts)) - floor(column * 24 / length(row.charts))
            height = 6
            properties = {
              for name, value in {
                title   = chart.title
                region  = var.region
                view    = can(chart.query) ? "table" : "timeSeries"
                query   = can(chart.query) ? join("\n| ", concat([for name in values(local.functions_of_callers) : "SOURCE '/aws/lambda/${name}'"], chart.query)) : null
                stacked = can(chart.query) ? null : try(chart.stacked, false)
                period  = can(chart.query) ? null : try(chart.period, 300)
                yAxis   = can(chart.query) ? null : { left = { min = 0, label = chart.unit, showUnits = false } }
                annotations = can(chart.marks) ? {
                  horizontal = [for mark in chart.marks : { value = mark.value, label = mark.label, color = "#d62728" }]
                } : null
                metrics = can(chart.query) ? null : local.drawn[jsonencode([row.title, chart.title])]
              } : name => value if value != null
            }
          }
        ],
      )
    ]),
  )

  # Row and title of a chart -> its lines, in CloudWatch's format.
  drawn = {
    for chart in concat(
      [for chart in local.numbers : { key = jsonencode(["numbers", chart.title]), period = 86400, lines = chart.lines }],
      flatten([for row in local.rows : [for chart in row.charts : { key = jsonencode([row.title, chart.title]), period = try(chart.period, 300), lines = chart.lines }]]),
      ) : chart.key => [
      for line in chart.lines : concat(
        can(line.namespace) && !can(line.by) ? concat([line.namespace, line.metric], flatten([for name, value in line.dimensions : [name, value]])) : [],
        [{
          for name, value in {
            stat  = can(line.by) ? null : try(line.stat, null)
            label = try(line.label, null)
            id    = try(line.id, null)
            # A line with an id is only the input of an expression.
            visible    = can(line.id) ? false : null
            expression = can(line.by) ? local.searches[jsonencode([line.metric, line.by, line.stat, chart.period])] : try(line.expression, null)
          } : name => value if value != null
        }],
      )
    ]
  }

  # One line for each value: a search names all dimensions of a set, and the values of those that are known.
  searches = {
    for search in flatten([
      for chart in concat([for chart in local.numbers : merge(chart, { period = 86400 })], flatten([for row in local.rows : row.charts])) : [
        for line in chart.lines : {
          key        = jsonencode([line.metric, line.by, line.stat, try(chart.period, 300)])
          expression = "SEARCH('{${join(",", concat([line.namespace], keys(line.dimensions), line.by))}} MetricName=\"${line.metric}\" ${join(" ", [for name, value in line.dimensions : "${name}=\"${value}\""])}', '${line.stat}', ${try(chart.period, 300)})"
        } if can(line.by)
      ]
    ]) : search.key => search.expression
  }

  # Every metric of ours that the dashboard or an alarm names, with its dimensions; and those that metrics.json does not have.
  own_metrics = concat(
    flatten([for chart in concat(local.numbers, flatten([for row in local.rows : row.charts])) : [
      for line in chart.lines : { metric = line.metric, dimensions = join(", ", sort(concat(keys(line.dimensions), try(line.by, [])))) }
      if try(line.namespace, "") == local.own
    ]]),
    flatten([for alarm in local.alarms : [
      for metric in alarm.metrics : { metric = metric.metric, dimensions = join(", ", sort(keys(metric.dimensions))) }
      if metric.namespace == local.own
    ]]),
  )
  unknown_metrics = [
    for each in local.own_metrics : "${each.metric} by ${each.dimensions}"
    if !contains([for group in try(local.metrics.metrics[each.metric].dimensions, []) : join(", ", sort(group))], each.dimensions)
  ]
}

resource "aws_cloudwatch_dashboard" "this" {
  count = local.full ? 1 : 0

  dashboard_name = local.prefix
  dashboard_body = jsonencode({ start = "-PT24H", periodOverride = "inherit", widgets = local.widgets })
}
