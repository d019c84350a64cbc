# The descriptions (JSON files) that the local deployer reads too. Nothing in them is repeated elsewhere.

locals {
  root   = "${path.module}/.."
  prefix = "${var.name}-${var.environment}"

  functions = {
    for path in fileset("${local.root}/functions", "*/function.json") :
    dirname(path) => jsondecode(file("${local.root}/functions/${path}"))
  }
  tables    = jsondecode(file("${local.root}/shared/tables.json"))
  variables = jsondecode(file("${local.root}/shared/environment.json"))
  cors      = jsondecode(file("${local.root}/shared/cors.json"))
  adapter   = jsondecode(file("${local.root}/shared/adapter.json"))
  defaults  = jsondecode(file("${local.root}/shared/gateway/data/config.json"))

  function_names = { for key, function in local.functions : key => "${local.prefix}-${try(function.name, key)}" }
  table_names    = { for key in keys(local.tables) : key => lookup(var.table_names, key, "${local.prefix}-${key}") }

  # ARNs are made from names, not taken from resources, so that policies are complete in the plan, where they can be read and
  # tested. The keys are written as in a manifest: "table" or "table/index".
  table_arn_prefix = "arn:${local.partition}:dynamodb:${var.region}:${local.account}:table"
  table_arns = merge(
    { for table in keys(local.tables) : table => "${local.table_arn_prefix}/${local.table_names[table]}" },
    merge([
      for table, facts in local.tables : {
        for index in keys(try(facts.indexes, {})) : "${table}/${index}" => "${local.table_arn_prefix}/${local.table_names[table]}/index/${index}"
      }
    ]...),
  )

  # Functions by the door through which their requests come.
  functions_with_routes = { for key, function in local.functions : key => function if try(function.routes, null) != null && try(function.door, "http") == "http" }
  functions_that_stream = { for key, function in local.functions : key => function if try(function.door, "http") == "stream" }
  streaming             = try(keys(local.functions_that_stream)[0], "") # checks.tf requires exactly one

  functions_on_streams  = { for key, function in local.functions : key => function if contains(keys(local.tables), try(function.event.stream, "")) }
  functions_on_schedule = { for key, function in local.functions : key => function if try(function.event.schedule, null) != null }

  # This is a list first, because merge() would hide that two functions claim the same route (checks.tf).
  route_list = flatten([
    for key, function in local.functions_with_routes : [
      for route, access in function.routes : { route = route, function = key, access = access }
    ]
  ])
  routes = { for route in local.route_list : route.route => route... }

  # In seconds. API Gateway waits for a stream for as long as the function may take, unless an older provider does not accept such
  # a value. The longest stream ends ten seconds before the earlier of the two, so that its last event and the bill are written.
  stream_wait_seconds = min(local.functions_that_stream[local.streaming].timeout, var.stream.wait_seconds)
  stream_seconds      = coalesce(var.stream.seconds, local.stream_wait_seconds - 10)
  own_log_role        = var.api_gateway_log_role == "own" && !local.emulated
  adapter_layer       = coalesce(var.adapter_layer_arn, "arn:${local.partition}:lambda:${var.region}:${lookup(local.adapter.accounts, local.partition, "000000000000")}:layer:${local.adapter.layers[var.architecture]}:${local.adapter.version}")
}
