# Other values for everything that prod leaves at its default, so that the golden plan `options` shows the effect of each. The region
# is in another partition, so that values which are written out instead of read become visible.
region                   = "us-gov-west-1"
alarm_email              = "operators@example.com"
kms_key_arn              = "arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
custom_domain            = { name = "api.example.com", certificate_arn = "arn:aws-us-gov:acm:us-gov-west-1:123456789012:certificate/1" }
lambda_concurrency       = 1000 # an account with enough executions to reserve some
iam_path                 = "/gateway/"
permissions_boundary_arn = "arn:aws-us-gov:iam::123456789012:policy/boundary"
detailed_route_metrics   = true
provisioned_concurrency  = { authorizer = 2 }
snap_start               = ["completions"]
cors_allow_origins       = ["https://app.example.com"]
mcp_allowed_origins      = ["https://app.example.com"]
openai_base_url          = "https://models.example.com/v1"
openai_pass_fields       = ["top_k"]
providers_enabled        = ["anthropic", "azure", "bedrock", "openai"]
azure_base_url           = "https://models.openai.azure.com/openai/v1"
bedrock_region           = "us-east-1"
bedrock_regions          = ["us-west-2"]
bedrock_models           = ["anthropic.claude-*", "amazon.nova-*"]
secret_recovery_days     = 7
spend_alarm_usd_per_hour = 99
gateway_version          = "9.9.9"
log_level                = "WARNING"
tags                     = { team = "platform" }
throttling               = { rate = 7, burst = 9, routes = { "GET /health" = { rate = 1, burst = 2 } } }
stream                   = { rate = 3, burst = 5, wait_seconds = 300, seconds = 120 }
adapter_layer_arn        = "arn:aws-us-gov:lambda:us-gov-west-1:123456789012:layer:adapter:1"
api_gateway_log_role     = "account"
web_acl_arn              = "arn:aws-us-gov:wafv2:us-gov-west-1:123456789012:regional/webacl/streams/1"
table_names              = { usage = "usage-restored" }
backup                   = { schedule = "cron(0 5 * * ? *)", keep_days = 90, lock = { min_days = 30, grace_days = 4 }, copy_to = "arn:aws-us-gov:backup:us-gov-east-1:123456789012:backup-vault:elsewhere" }
