# Where to deploy

variable "environment" {
  description = "Name of this deployment, and of its Terraform workspace: dev, staging, prod, or another short word."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,11}$", var.environment))
    error_message = "environment must have 2 to 12 lower-case letters and digits, and begin with a letter."
  }
}

variable "workspace_per_environment" {
  description = "Refuse a workspace that is not named after the environment. Set it to false if another root module, which has its own workspaces, calls this one."
  type        = bool
  default     = true
  nullable    = false
}

variable "name" {
  description = "First part of every resource's name: <name>-<environment>-<resource>."
  type        = string
  default     = "ai-gateway"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,22}[a-z0-9]$", var.name))
    error_message = "name must have 3 to 24 lower-case letters, digits and hyphens, because the longest name that is made from it must stay below 64 characters."
  }
}

variable "region" {
  description = "AWS region in which everything is created."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must be the code of a region, for example eu-central-1."
  }
}

variable "account_ids" {
  description = "AWS accounts to which Terraform may deploy; null allows the account that the credentials belong to, whichever it is."
  type        = set(string)
  default     = null

  validation {
    condition     = var.account_ids == null ? true : alltrue([for id in var.account_ids : can(regex("^[0-9]{12}$", id))])
    error_message = "account_ids must be account numbers of 12 digits."
  }
}

variable "deploy_role_arn" {
  description = "IAM role that Terraform assumes to deploy; null uses the credentials as they are."
  type        = string
  default     = null

  validation {
    condition     = var.deploy_role_arn == null ? true : can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:role/", var.deploy_role_arn))
    error_message = "deploy_role_arn must be the ARN of an IAM role."
  }
}

variable "emulator_endpoint" {
  description = "URL of an emulator (LocalStack or MiniStack) to deploy to instead of AWS; null deploys to AWS."
  type        = string
  default     = null

  validation {
    condition     = var.emulator_endpoint == null ? true : can(regex("^https?://[^/]+$", var.emulator_endpoint))
    error_message = "emulator_endpoint must consist of a scheme, a host and a port, for example http://127.0.0.1:4566."
  }
}

variable "tags" {
  description = "Tags for every resource, in addition to application and environment."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = length(var.tags) <= 40 && alltrue([for key in keys(var.tags) : !startswith(lower(key), "aws:")])
    error_message = "tags may have at most 40 entries, and no key may begin with aws:."
  }
}

variable "iam_path" {
  description = "IAM path of every role that is created, such as /gateway/. If the roles of a deployment exist already, a change replaces them: docs/terraform.md."
  type        = string
  default     = "/"
  nullable    = false

  validation {
    condition     = can(regex("^/([A-Za-z0-9_+=,.@-]+/)*$", var.iam_path)) && length(var.iam_path) <= 512
    error_message = "iam_path must begin and end with a slash."
  }
}

variable "permissions_boundary_arn" {
  description = "ARN of a permissions boundary: the policy that limits the rights of every role that is created; null for none. docs/security.md has an example."
  type        = string
  default     = null

  validation {
    condition     = var.permissions_boundary_arn == null ? true : can(regex("^arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/", var.permissions_boundary_arn))
    error_message = "permissions_boundary_arn must be the ARN of an IAM policy."
  }
}

# The code and its parts

variable "artifacts" {
  description = <<-TEXT
    Where the zips are. Give at most one of these two:
    - directory: a folder that `make build` filled, or a release that was downloaded; null means the build folder of this repository;
    - url: s3://bucket/prefix of a release, in the same region.
    sha256: file name -> SHA-256 in hex, as sha256sum prints it. It is required with url. With directory, the files are compared with it.
  TEXT
  type = object({
    directory = optional(string)
    url       = optional(string)
    sha256    = optional(map(string), {})
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.artifacts.directory == null || var.artifacts.url == null
    error_message = "artifacts takes either a directory or a url, not both."
  }

  validation {
    condition     = var.artifacts.url == null ? true : can(regex("^s3://[a-z0-9.-]{3,63}(/[^/]+)*$", var.artifacts.url)) && length(var.artifacts.sha256) > 0
    error_message = "artifacts.url must have the form s3://bucket/prefix without a slash at the end, and it requires sha256."
  }

  validation {
    condition     = alltrue([for sum in values(var.artifacts.sha256) : can(regex("^[0-9a-f]{64}$", sum))])
    error_message = "artifacts.sha256 must have 64 lower-case hex digits for each file."
  }
}

variable "architecture" {
  description = "Processor architecture of the functions and layers: arm64 or x86_64. x86_64 costs a quarter more on AWS; many emulators run on it. The zips must be built for it (tools.build --architecture)."
  type        = string
  default     = "arm64"
  nullable    = false

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "architecture must be arm64 or x86_64."
  }
}

variable "gateway_version" {
  description = "The version that /health reports."
  type        = string
  default     = "0.1.0"
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]+\\.[0-9]+\\.[0-9]+([-+][0-9A-Za-z.-]+)?$", var.gateway_version))
    error_message = "gateway_version must be a semantic version, for example 1.4.0."
  }
}

variable "profile" {
  description = "minimal creates only the resources that the gateway needs to run. full adds alarms and a dashboard (the output idle_cost_usd_per_month says how much they cost)."
  type        = string
  default     = "minimal"
  nullable    = false

  validation {
    condition     = contains(["minimal", "full"], var.profile)
    error_message = "profile must be minimal or full."
  }
}

# Models

variable "providers_enabled" {
  description = "Model providers in order of preference. A provider that needs a key gets a secret, whose value `make secret` sets."
  type        = list(string)
  default     = ["openai", "bedrock"]
  nullable    = false

  validation {
    condition     = length(var.providers_enabled) > 0 && length(var.providers_enabled) == length(distinct(var.providers_enabled)) && alltrue([for name in var.providers_enabled : contains(["anthropic", "azure", "bedrock", "openai"], name)])
    error_message = "providers_enabled must name one or more of anthropic, azure, bedrock and openai, each at most once."
  }
}

variable "openai_base_url" {
  description = "Base URL of another OpenAI-compatible host; empty means OpenAI itself."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = var.openai_base_url == "" || can(regex("^https://[^/]+", var.openai_base_url))
    error_message = "openai_base_url must begin with https://, because the provider's key is sent there."
  }
}

variable "openai_pass_fields" {
  description = "Request fields that are not OpenAI's and are passed to another OpenAI-compatible host; [] for none."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for name in var.openai_pass_fields : can(regex("^(tools\\.)?[A-Za-z0-9_-]{1,64}$", name))])
    error_message = "openai_pass_fields must be names of request fields, such as top_k, or tools.<name> for a field of a tool."
  }
}

variable "azure_base_url" {
  description = "Base URL of the Azure OpenAI resource that is called: https://<resource>.openai.azure.com/openai/v1. It is required if providers_enabled contains azure."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = var.azure_base_url == "" || can(regex("^https://[^/]+", var.azure_base_url))
    error_message = "azure_base_url must begin with https://, because the resource's key is sent there."
  }
}

variable "bedrock_region" {
  description = "Region of the Bedrock endpoint; empty means the region of the deployment."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = var.bedrock_region == "" || can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.bedrock_region))
    error_message = "bedrock_region must be empty or the code of a region, for example us-east-1."
  }
}

variable "bedrock_regions" {
  description = "Further regions in which Bedrock's models may be called: the regions that aliases in the config name; [] for none."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = length(var.bedrock_regions) == length(distinct(var.bedrock_regions)) && alltrue([for region in var.bedrock_regions : can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", region))])
    error_message = "bedrock_regions must be codes of regions, each at most once, for example us-east-1."
  }
}

variable "bedrock_models" {
  description = "Patterns of the ids of Bedrock's models that may be called, without a geography in front, for example anthropic.claude-*. With [\"*\"] the roles may call any model, and the config decides."
  type        = list(string)
  default     = ["*"]
  nullable    = false

  validation {
    condition     = length(var.bedrock_models) > 0 && alltrue([for form in var.bedrock_models : can(regex("^[A-Za-z0-9*][A-Za-z0-9.:*-]*$", form))])
    error_message = "bedrock_models must be patterns of model ids, such as anthropic.claude-* or *."
  }
}

variable "bedrock_credentials" {
  description = "role: the functions sign calls to Bedrock with their own roles. secret: they use the credentials or the API key of a secret, which `make secret PROVIDER=bedrock` sets, and their roles have no right to call models."
  type        = string
  default     = "role"
  nullable    = false

  validation {
    condition     = contains(["role", "secret"], var.bedrock_credentials)
    error_message = "bedrock_credentials must be role or secret."
  }
}

# Data

variable "deletion_protection" {
  description = "Refuse to delete the tables. Before terraform destroy, turn it off and apply that."
  type        = bool
  default     = true
  nullable    = false
}

variable "point_in_time_recovery" {
  description = "Turn on point-in-time recovery: the tables can be restored to any second of the last 35 days."
  type        = bool
  default     = true
  nullable    = false
}

variable "table_names" {
  description = "Table of shared/tables.json -> its real name, for each table that is not named <name>-<environment>-<table>, because it was restored. docs/restore.md says how to adopt a restored table."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for name in values(var.table_names) : can(regex("^[a-zA-Z0-9_.-]{3,255}$", name))]) && length(values(var.table_names)) == length(distinct(values(var.table_names)))
    error_message = "table_names must be names of tables, each at most once. A name has 3 to 255 letters, digits, hyphens, dots and underscores."
  }
}

variable "backup" {
  description = <<-TEXT
    Backups of all tables by AWS Backup, in their own vault, in addition to point-in-time recovery; null for none.
    - schedule, keep_days: when a backup is made (UTC), and for how many days it is kept.
    - lock: every backup is kept for at least min_days, and nobody can delete it earlier or shorten that time. After grace_days (at
      least 3) nobody can remove the lock itself. null for no lock.
    - copy_to: the ARN of a vault in another region or account to which each backup is copied; null for no copy.
  TEXT
  type = object({
    schedule  = optional(string, "cron(0 3 * * ? *)")
    keep_days = optional(number, 35)
    lock      = optional(object({ min_days = optional(number, 7), grace_days = optional(number, 14) }))
    copy_to   = optional(string)
  })
  default = null

  validation {
    condition     = var.backup == null ? true : var.backup.keep_days >= 1 && floor(var.backup.keep_days) == var.backup.keep_days
    error_message = "backup.keep_days must be a whole number of days, at least 1."
  }

  validation {
    condition     = try(var.backup.lock, null) == null ? true : var.backup.lock.grace_days >= 3 && var.backup.lock.min_days >= 1 && var.backup.lock.min_days <= var.backup.keep_days
    error_message = "backup.lock needs grace_days of at least 3, and min_days from 1 to backup.keep_days."
  }
}

variable "secret_recovery_days" {
  description = "For how many days a deleted secret can be restored: 7 to 30. 0 deletes a secret at once, so that its name can be used again."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.secret_recovery_days == 0 || (var.secret_recovery_days >= 7 && var.secret_recovery_days <= 30)
    error_message = "secret_recovery_days must be 0, or a number from 7 to 30."
  }
}

variable "kms_key_arn" {
  description = "ARN of a customer-managed KMS key, in the same region, for tables, secrets, queues, topics, logs and environment variables; null means the keys that AWS owns, which are free of charge. docs/deployment.md has the policy that the key needs."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null ? true : can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a key, not of an alias."
  }
}

variable "log_retention_days" {
  description = "For how many days logs are kept: one of the retention times that CloudWatch Logs offers."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days must be one of 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653."
  }
}

variable "log_level" {
  description = "The least severe level that is logged."
  type        = string
  default     = "INFO"
  nullable    = false

  validation {
    condition     = contains(["DEBUG", "INFO", "WARNING", "ERROR"], var.log_level)
    error_message = "log_level must be DEBUG, INFO, WARNING or ERROR."
  }
}

# Traffic

variable "cors_allow_origins" {
  description = "Origins whose pages may call the APIs from a browser; [\"*\"] allows all, [] none. Keys are never in cookies, so this gives no origin a right."
  type        = list(string)
  default     = ["*"]
  nullable    = false

  validation {
    condition     = alltrue([for origin in var.cors_allow_origins : origin == "*" || can(regex("^https?://[^/*]+$", origin))])
    error_message = "cors_allow_origins must be * or origins such as https://app.example.com, without a path."
  }
}

variable "mcp_allowed_origins" {
  description = "Origins whose pages may call /mcp from a browser; [\"*\"] allows all, [] allows only the pages of the gateway's own host."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for origin in var.mcp_allowed_origins : origin == "*" || can(regex("^https?://[^/*]+$", origin))])
    error_message = "mcp_allowed_origins must be * or origins such as https://app.example.com, without a path."
  }
}

variable "throttling" {
  description = "Limits for each route of the HTTP API: requests a second (rate) and at once (burst). routes has the exceptions by route key, for example {\"GET /health\" = {rate = 20, burst = 40}}."
  type = object({
    rate   = optional(number, 200)
    burst  = optional(number, 400)
    routes = optional(map(object({ rate = number, burst = number })), {})
  })
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for limit in concat([var.throttling], values(var.throttling.routes)) : limit.rate > 0 && limit.burst > 0])
    error_message = "throttling: every rate and burst must be more than 0."
  }
}

variable "stream" {
  description = <<-TEXT
    The streaming door.
    - rate, burst: requests a second, and requests at once. Each stream occupies one Lambda execution until it ends.
    - wait_seconds: how long API Gateway waits for the end of an answer, at most 900. More than 300 needs a release of the AWS
      provider of December 2025 or later (6.26). Set 300 with an older release.
    - seconds: the longest time that a stream may take; null means 10 seconds less than the function and API Gateway allow.
  TEXT
  type = object({
    rate         = optional(number, 50)
    burst        = optional(number, 100)
    wait_seconds = optional(number, 900)
    seconds      = optional(number)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.stream.rate > 0 && var.stream.burst > 0
    error_message = "stream.rate and stream.burst must be more than 0."
  }

  validation {
    condition     = var.stream.wait_seconds >= 30 && var.stream.wait_seconds <= 900 && floor(var.stream.wait_seconds) == var.stream.wait_seconds
    error_message = "stream.wait_seconds must be a whole number of seconds from 30 to 900, the longest time for which API Gateway streams."
  }
}

variable "adapter_layer_arn" {
  description = "ARN of the layer with the Lambda Web Adapter for the chosen architecture; null means AWS's public layer (shared/adapter.json). Set it outside of the commercial regions, where AWS publishes no such layer, or to use your own copy."
  type        = string
  default     = null

  validation {
    # Version 29 of the public layer was withdrawn.
    condition     = var.adapter_layer_arn == null ? true : can(regex("^arn:aws[a-z-]*:lambda:[a-z0-9-]+:[0-9]{12}:layer:[A-Za-z0-9_-]+:[0-9]+$", var.adapter_layer_arn)) && !can(regex(":layer:LambdaAdapterLayer[A-Za-z0-9]+:29$", var.adapter_layer_arn))
    error_message = "adapter_layer_arn must be the ARN of a version of a layer. It must not be version 29 of AWS's public layer, because that release was withdrawn."
  }
}

variable "stream_endpoint_type" {
  description = "REGIONAL: the streaming door is reached from the internet. PRIVATE: it is reached only from a VPC, through the endpoints in vpc_endpoint_ids (docs/deployment.md). The HTTP API can't be private; http_api_closed closes it."
  type        = string
  default     = "REGIONAL"
  nullable    = false

  validation {
    condition     = contains(["REGIONAL", "PRIVATE"], var.stream_endpoint_type)
    error_message = "stream_endpoint_type must be REGIONAL or PRIVATE."
  }
}

variable "vpc_endpoint_ids" {
  description = "Interface VPC endpoints for execute-api in the same region. They are the only ones through which a PRIVATE streaming door can be called. stream_url leads through the first of them. When you set the type back to REGIONAL, keep this list until that has been applied."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for id in var.vpc_endpoint_ids : can(regex("^vpce-[0-9a-f]{8,17}$", id))]) && length(var.vpc_endpoint_ids) == length(distinct(var.vpc_endpoint_ids))
    error_message = "vpc_endpoint_ids must be ids of VPC endpoints such as vpce-0123456789abcdef0, each at most once."
  }
}

variable "http_api_closed" {
  description = "Turn off the HTTP API's own address, so that only the streaming door answers. The routes for admins and MCP, and the other routes that only the HTTP API has, can't be reached while it is off."
  type        = bool
  default     = false
  nullable    = false
}

variable "web_acl_arn" {
  description = "ARN of a regional web ACL of AWS WAF that protects the streaming door, for example with a rule for addresses; null for none. An HTTP API can't have one."
  type        = string
  default     = null

  validation {
    condition     = var.web_acl_arn == null ? true : can(regex("^arn:aws[a-z-]*:wafv2:[a-z0-9-]+:[0-9]{12}:regional/webacl/", var.web_acl_arn))
    error_message = "web_acl_arn must be the ARN of a regional web ACL."
  }
}

variable "api_gateway_log_role" {
  description = "The role with which API Gateway writes logs. An account has one for all of its REST APIs in a region. own: create the role and set it for the account in this region. account: it is already set, by hand or by another environment in the same account and region."
  type        = string
  default     = "own"
  nullable    = false

  validation {
    condition     = contains(["own", "account"], var.api_gateway_log_role)
    error_message = "api_gateway_log_role must be own or account."
  }
}

variable "expected_load" {
  description = "The load to plan for, which a check compares with the account's Lambda concurrency. keys: how many keys of each tier use their whole limit at the same time. latency_seconds: how long a call takes. streams: how many streams run at the same time."
  type = object({
    keys            = optional(map(number), { free = 5 })
    latency_seconds = optional(number, 10)
    streams         = optional(number, 0)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.expected_load.streams == floor(abs(var.expected_load.streams))
    error_message = "expected_load.streams must be a whole number, 0 or more."
  }

  validation {
    condition     = var.expected_load.latency_seconds > 0 && var.expected_load.latency_seconds <= 29
    error_message = "expected_load.latency_seconds must be more than 0 and at most 29, the longest time that the HTTP API waits."
  }
}

variable "lambda_concurrency" {
  description = "How many Lambda executions AWS allows this account at once in this region; null asks Service Quotas (servicequotas:GetServiceQuota)."
  type        = number
  default     = null

  validation {
    condition     = var.lambda_concurrency == null ? true : var.lambda_concurrency >= 1 && floor(var.lambda_concurrency) == var.lambda_concurrency
    error_message = "lambda_concurrency must be a whole number, 1 or more."
  }
}

variable "reserved_concurrency" {
  description = "Function -> executions that are reserved for it; they are its upper bound too. null: if the account has 400 executions or more, 10 are reserved for health, 10 for admin, and a tenth of all, at least 50, for the authorizer. {}: none. AWS keeps 100 of the account's executions unreserved."
  type        = map(number)
  default     = null

  validation {
    condition     = var.reserved_concurrency == null ? true : alltrue([for count in values(var.reserved_concurrency) : count >= 1 && floor(count) == count])
    error_message = "reserved_concurrency must be whole numbers, 1 or more; 0 would stop the function."
  }
}

variable "provisioned_concurrency" {
  description = "Function -> executions that are kept warm. They are billed by the hour."
  type        = map(number)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for count in values(var.provisioned_concurrency) : count >= 1 && floor(count) == count])
    error_message = "provisioned_concurrency must be whole numbers, 1 or more. To keep no execution of a function warm, leave the function out."
  }
}

variable "snap_start" {
  description = "Functions that start from a snapshot (SnapStart). Each published version is billed. Such a function can't have provisioned concurrency."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = length(setintersection(var.snap_start, keys(var.provisioned_concurrency))) == 0
    error_message = "A function can't be in both snap_start and provisioned_concurrency."
  }
}

variable "custom_domain" {
  description = "One host name for both APIs (/v1/* leads to the streaming door), and the ARN of its ACM certificate in the same region. only: the APIs' own addresses are turned off. You set the DNS record yourself, to the output custom_domain_target."
  type = object({
    name            = string
    certificate_arn = string
    only            = optional(bool, true)
  })
  default = null

  validation {
    condition     = var.custom_domain == null ? true : can(regex("^([a-z0-9]([a-z0-9-]*[a-z0-9])?\\.)+[a-z]{2,}$", var.custom_domain.name)) && can(regex("^arn:aws[a-z-]*:acm:[a-z0-9-]+:[0-9]{12}:certificate/", var.custom_domain.certificate_arn))
    error_message = "custom_domain needs a host name such as api.example.com and the ARN of an ACM certificate."
  }
}

variable "alarm_email" {
  description = "E-mail address that gets budget alerts and, in the profile full, alarms, after somebody confirmed the mail that AWS sends to it; null sends none."
  type        = string
  default     = null

  validation {
    condition     = var.alarm_email == null ? true : can(regex("^[^@ ]+@[^@ ]+\\.[^@ ]+$", var.alarm_email))
    error_message = "alarm_email must be an e-mail address."
  }
}

variable "alarms_subscribed_elsewhere" {
  description = "Set it to true if something outside of this configuration, such as a pager, is subscribed to the topic of the alarms (output alarm_topic). A plan without alarm_email then gives no warning."
  type        = bool
  default     = false
  nullable    = false
}

variable "detailed_route_metrics" {
  description = "Publish CloudWatch metrics of each route. Each metric costs 0.30 US dollars a month, up to 80 dollars for all routes. Without them, the functions' metrics still distinguish classes of routes."
  type        = bool
  default     = false
  nullable    = false
}

variable "spend_alarm_usd_per_hour" {
  description = "The alarm `budget` (profile full) is raised when models cost this many US dollars within an hour. It only warns; the budgets of keys stop calls."
  type        = number
  default     = 10
  nullable    = false

  validation {
    condition     = var.spend_alarm_usd_per_hour > 0
    error_message = "spend_alarm_usd_per_hour must be more than 0."
  }
}
