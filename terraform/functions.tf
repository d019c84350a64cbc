locals {
  # The value of each variable that shared/environment.json describes. A variable with an empty value is not set at all.
  environment_values = {
    GATEWAY_ENVIRONMENT  = var.environment
    GATEWAY_TABLE_PREFIX = local.prefix
    GATEWAY_TABLE_NAMES  = join(",", [for key in sort(keys(var.table_names)) : "${key}=${var.table_names[key]}"])
    GATEWAY_VERSION      = var.gateway_version
    LOG_LEVEL            = var.log_level
    # Only for emulators: the default is chosen for AWS.
    GATEWAY_STORE_TIMEOUT_SECONDS = ""
    # Lambda sends one request at a time to an execution environment, so threads are not needed.
    GATEWAY_THREADS = ""
    # The default suits the five minutes after which API Gateway ends an answer of which nothing comes.
    GATEWAY_PATIENCE_SECONDS = ""
    # Only for a gateway on a user's own machine.
    GATEWAY_LOOPBACK_PROVIDERS = ""
    ANTHROPIC_BASE_URL         = ""
    GATEWAY_PROVIDERS          = join(",", var.providers_enabled)
    ANTHROPIC_SECRET_ID        = try(local.secret_names["anthropic"], "")
    AZURE_BASE_URL             = var.azure_base_url
    AZURE_SECRET_ID            = try(local.secret_names["azure"], "")
    OPENAI_BASE_URL            = var.openai_base_url
    OPENAI_PASS_FIELDS         = join(",", var.openai_pass_fields)
    OPENAI_SECRET_ID           = try(local.secret_names["openai"], "")
    BEDROCK_REGION             = var.bedrock_region
    BEDROCK_SECRET_ID          = try(local.secret_names["bedrock"], "")
    BUDGET_TOPIC_ARN           = local.budget_topic_arn
    GATEWAY_CORS_ORIGINS       = join(",", var.cors_allow_origins)
    GATEWAY_STREAM_SECONDS     = tostring(local.stream_seconds)
    MCP_ALLOWED_HOSTS          = try(var.custom_domain.name, "")
    MCP_ALLOWED_ORIGINS        = join(",", var.mcp_allowed_origins)
  }

  function_environment = {
    for key, function in local.functions : key => merge(
      {
        for name, variable in local.variables : name => local.environment_values[name]
        if(try(variable.everywhere, false) || contains(try(function.environment, []), name)) && try(local.environment_values[name], "") != ""
      },
      contains(keys(local.functions_that_stream), key) ? local.adapter.environment : {},
    )
  }
}

module "function" {
  source   = "./modules/function"
  for_each = local.functions

  name         = local.function_names[each.key]
  description  = each.value.description
  handler      = each.value.handler
  architecture = var.architecture
  memory       = each.value.memory
  timeout      = each.value.timeout
  package      = local.artifacts["${each.key}.zip"]
  layers       = concat([for layer in local.layers : aws_lambda_layer_version.this[layer].arn], contains(keys(local.functions_that_stream), each.key) ? [local.adapter_layer] : [])
  environment  = local.function_environment[each.key]
  statements   = local.statements[each.key]

  iam_path                 = var.iam_path
  permissions_boundary_arn = var.permissions_boundary_arn

  log_retention_days      = var.log_retention_days
  kms_key_arn             = var.kms_key_arn
  reserved_concurrency    = lookup(local.reserved_concurrency, each.key, -1)
  provisioned_concurrency = lookup(var.provisioned_concurrency, each.key, 0)
  snap_start              = contains(var.snap_start, each.key)
}
