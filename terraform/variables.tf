# Where

variable "environment" {
  description = "Name of this deployment, and of its Terraform workspace: dev, staging, prod, or another short word."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,11}$", var.environment))
    error_message = "environment must be 2 to 12 lower-case letters and digits, beginning with a letter."
  }
}

variable "workspace_per_environment" {
  description = "Refuse a workspace that is not named after the environment. False where another root module with workspaces of its own calls this one."
  type        = bool
  default     = true
  nullable    = false
}

variable "name" {
  description = "First part of every name: <name>-<environment>-<thing>."
  type        = string
  default     = "ai-gateway"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,22}[a-z0-9]$", var.name))
    error_message = "name must be 3 to 24 lower-case letters, digits and hyphens: the longest name made from it has to stay below 64 characters."
  }
}

variable "region" {
  description = "AWS region of everything."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must be a region's code, for example eu-central-1."
  }
}

variable "account_ids" {
  description = "AWS accounts that may be deployed to; null allows whichever the credentials belong to."
  type        = set(string)
  default     = null

  validation {
    condition     = var.account_ids == null ? true : alltrue([for id in var.account_ids : can(regex("^[0-9]{12}$", id))])
    error_message = "account_ids must hold account numbers of 12 digits."
  }
}

variable "deploy_role_arn" {
  description = "IAM role to deploy with; null deploys with the credentials as they are."
  type        = string
  default     = null

  validation {
    condition     = var.deploy_role_arn == null ? true : can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:role/", var.deploy_role_arn))
    error_message = "deploy_role_arn must be the ARN of an IAM role."
  }
}

variable "emulator_endpoint" {
  description = "URL of a LocalStack or MiniStack that stands in for AWS; null deploys to AWS."
  type        = string
  default     = null

  validation {
    condition     = var.emulator_endpoint == null ? true : can(regex("^https?://[^/]+$", var.emulator_endpoint))
    error_message = "emulator_endpoint must be scheme, host and port, for example http://127.0.0.1:4566."
  }
}

variable "tags" {
  description = "Tags for every resource, besides application and environment."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = length(var.tags) <= 40 && alltrue([for key in keys(var.tags) : !startswith(lower(key), "aws:")])
    error_message = "tags may have 40 entries at most, and no key may begin with aws:."
  }
}

variable "iam_path" {
  description = "Path of every role that is made, such as /gateway/. A deployment that has its roles already makes them anew: docs/terraform.md."
  type        = string
  default     = "/"
  nullable    = false

  validation {
    condition     = can(regex("^/([A-Za-z0-9_+=,.@-]+/)*$", var.iam_path)) && length(var.iam_path) <= 512
    error_message = "iam_path must begin and end with a slash."
  }
}

variable "permissions_boundary_arn" {
  description = "Policy that bounds what every role that is made may do at most; null for none. docs/security.md has one."
  type        = string
  default     = null

  validation {
    condition     = var.permissions_boundary_arn == null ? true : can(regex("^arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/", var.permissions_boundary_arn))
    error_message = "permissions_boundary_arn must be the ARN of an IAM policy."
  }
}

# What is deployed

variable "artifacts" {
  description = <<-TEXT
    Where the zips are. Exactly one of
    - directory: a folder that `make build` filled, or a release that was downloaded; null means this repository's own;
    - url: s3://bucket/prefix of a release, in the same region.
    sha256: file name -> SHA-256 in hex, as sha256sum prints it. Needed with url; with directory it is checked.
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
    error_message = "artifacts takes a directory or a url, not both."
  }

  validation {
    condition     = var.artifacts.url == null ? true : can(regex("^s3://[a-z0-9.-]{3,63}(/[^/]+)*$", var.artifacts.url)) && length(var.artifacts.sha256) > 0
    error_message = "artifacts.url must be s3://bucket/prefix without a slash at its end, and needs sha256."
  }

  validation {
    condition     = alltrue([for sum in values(var.artifacts.sha256) : can(regex("^[0-9a-f]{64}$", sum))])
    error_message = "artifacts.sha256 must hold 64 lower-case hex digits for each file."
  }
}

variable "architecture" {
  description = "Processor that functions and layers are for: arm64, or x86_64, which costs a quarter more on AWS and is what many emulators run on. The zips are built for it (tools.build --architecture)."
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
  description = "minimal: what the gateway needs to run. full: alarms and a dashboard too (output idle_cost_usd_per_month says what they cost)."
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
  description = "Model providers in order of preference. One with a key gets a secret; its value is set by `make secret`."
  type        = list(string)
  default     = ["openai", "bedrock"]
  nullable    = false

  validation {
    condition     = length(var.providers_enabled) > 0 && length(var.providers_enabled) == length(distinct(var.providers_enabled)) && alltrue([for name in var.providers_enabled : contains(["anthropic", "azure", "bedrock", "openai"], name)])
    error_message = "providers_enabled must name some of anthropic, azure, bedrock, openai, each once."
  }
}

variable "openai_base_url" {
  description = "Another OpenAI-compatible host; empty means OpenAI's own."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = var.openai_base_url == "" || can(regex("^https://[^/]+", var.openai_base_url))
    error_message = "openai_base_url must begin with https://: the provider's key is sent there."
  }
}

variable "openai_pass_fields" {
  description = "Request fields, beyond OpenAI's own, that another OpenAI-compatible host gets; [] for none."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for name in var.openai_pass_fields : can(regex("^(tools\\.)?[A-Za-z0-9_-]{1,64}$", name))])
    error_message = "openai_pass_fields must hold names of request fields, such as top_k, or tools.<name> for one of a tool."
  }
}

variable "azure_base_url" {
  description = "Base URL of the Azure OpenAI resource that is called: https://<resource>.openai.azure.com/openai/v1. Needed with azure in providers_enabled."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = var.azure_base_url == "" || can(regex("^https://[^/]+", var.azure_base_url))
    error_message = "azure_base_url must begin with https://: the resource's key is sent there."
  }
}

variable "bedrock_region" {
  description = "Region of the Bedrock endpoint; empty means the deployment's own."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = var.bedrock_region == "" || can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.bedrock_region))
    error_message = "bedrock_region must be empty or a region's code, for example us-east-1."
  }
}

variable "bedrock_regions" {
  description = "Further regions that models may be called in: those that aliases of the config name. [] for none."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = length(var.bedrock_regions) == length(distinct(var.bedrock_regions)) && alltrue([for region in var.bedrock_regions : can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", region))])
    error_message = "bedrock_regions must hold codes of regions, each once, for example us-east-1."
  }
}

variable "bedrock_models" {
  description = "Forms of the ids of Bedrock's models that may be called, without a geography in front, for example anthropic.claude-*. [\"*\"] for any: the config chooses."
  type        = list(string)
  default     = ["*"]
  nullable    = false

  validation {
    condition     = length(var.bedrock_models) > 0 && alltrue([for form in var.bedrock_models : can(regex("^[A-Za-z0-9*][A-Za-z0-9.:*-]*$", form))])
    error_message = "bedrock_models must hold forms of model ids, such as anthropic.claude-* or *."
  }
}

variable "bedrock_credentials" {
  description = "role: the functions' own role signs calls to Bedrock. secret: credentials or API keys of a secret are used, set by `make secret PROVIDER=bedrock`, and the role has no right to call models."
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
  description = "Refuse to delete the tables; destroy needs it turned off and applied first."
  type        = bool
  default     = true
  nullable    = false
}

variable "point_in_time_recovery" {
  description = "Keep the tables restorable to any second of the last 35 days."
  type        = bool
  default     = true
  nullable    = false
}

variable "table_names" {
  description = "Tables that have another name than <name>-<environment>-<table>: those that were restored, by their name in shared/tables.json. How one is adopted: docs/restore.md."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for name in values(var.table_names) : can(regex("^[a-zA-Z0-9_.-]{3,255}$", name))]) && length(values(var.table_names)) == length(distinct(values(var.table_names)))
    error_message = "table_names must hold names of tables, each once: 3 to 255 letters, digits, hyphens, dots and underscores."
  }
}

variable "backup" {
  description = <<-TEXT
    Backups of all tables by AWS Backup, in a vault of their own, beside point-in-time recovery; null for none.
    - schedule, keep_days: when one is made (UTC), and how long it is kept.
    - lock: nobody deletes a backup before its time or shortens that, for min_days at least; after grace_days (3 at least) the
      lock itself can't be removed, by anybody. null for no lock.
    - copy_to: the ARN of a vault in another region or account that each backup is copied to; null for no copy.
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
    error_message = "backup.keep_days must be whole days, 1 at least."
  }

  validation {
    condition     = try(var.backup.lock, null) == null ? true : var.backup.lock.grace_days >= 3 && var.backup.lock.min_days >= 1 && var.backup.lock.min_days <= var.backup.keep_days
    error_message = "backup.lock needs grace_days of 3 or more, and min_days from 1 to backup.keep_days."
  }
}

variable "secret_recovery_days" {
  description = "Days in which a deleted secret can be restored, 7 to 30; 0 deletes at once, so that its name is free again."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.secret_recovery_days == 0 || (var.secret_recovery_days >= 7 && var.secret_recovery_days <= 30)
    error_message = "secret_recovery_days must be 0 or 7 to 30."
  }
}

variable "kms_key_arn" {
  description = "Customer-managed KMS key for tables, secrets, queues, topic, logs and environment; null means the keys that AWS owns, free of charge. Of the same region; its policy stands in docs/deployment.md."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null ? true : can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a key, not of an alias."
  }
}

variable "log_retention_days" {
  description = "Days that logs are kept: a retention that CloudWatch Logs offers."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days must be one of 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653."
  }
}

variable "log_level" {
  description = "Least severe level that is logged."
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
  description = "Origins whose pages may call the APIs from a browser; [\"*\"] allows all, [] none. Keys never travel in cookies, so that no origin gains a right by it."
  type        = list(string)
  default     = ["*"]
  nullable    = false

  validation {
    condition     = alltrue([for origin in var.cors_allow_origins : origin == "*" || can(regex("^https?://[^/*]+$", origin))])
    error_message = "cors_allow_origins must hold * or origins such as https://app.example.com, without a path."
  }
}

variable "mcp_allowed_origins" {
  description = "Origins whose pages may call /mcp from a browser; [\"*\"] allows all, [] only pages of the gateway's own host."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for origin in var.mcp_allowed_origins : origin == "*" || can(regex("^https?://[^/*]+$", origin))])
    error_message = "mcp_allowed_origins must hold * or origins such as https://app.example.com, without a path."
  }
}

variable "throttling" {
  description = "Requests a second (rate) and at once (burst) for each route of the HTTP API, and exceptions by route key, for example {\"GET /health\" = {rate = 20, burst = 40}}."
  type = object({
    rate   = optional(number, 200)
    burst  = optional(number, 400)
    routes = optional(map(object({ rate = number, burst = number })), {})
  })
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for limit in concat([var.throttling], values(var.throttling.routes)) : limit.rate > 0 && limit.burst > 0])
    error_message = "throttling must allow more than nothing."
  }
}

variable "stream" {
  description = <<-TEXT
    The door that streams.
    - rate, burst: requests a second, and at once; each stream holds a Lambda execution for as long as it takes.
    - wait_seconds: how long API Gateway waits for an answer's end, 900 at most. More than 300 takes a release of the AWS
      provider of December 2025 or later (6.26): set 300 with an older one.
    - seconds: the longest that a stream may take; null means 10 less than the function and API Gateway allow.
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
    error_message = "stream must allow more than no requests."
  }

  validation {
    condition     = var.stream.wait_seconds >= 30 && var.stream.wait_seconds <= 900 && floor(var.stream.wait_seconds) == var.stream.wait_seconds
    error_message = "stream.wait_seconds must be whole seconds from 30 to 900, the longest that API Gateway streams."
  }
}

variable "adapter_layer_arn" {
  description = "ARN of the layer with the Lambda Web Adapter for arm64; null means AWS's own public layer (shared/adapter.json). Needed where AWS publishes none: outside of the commercial regions, or for a copy of your own."
  type        = string
  default     = null

  validation {
    # Version 29 of the public layer was withdrawn.
    condition     = var.adapter_layer_arn == null ? true : can(regex("^arn:aws[a-z-]*:lambda:[a-z0-9-]+:[0-9]{12}:layer:[A-Za-z0-9_-]+:[0-9]+$", var.adapter_layer_arn)) && !can(regex(":layer:LambdaAdapterLayer[A-Za-z0-9]+:29$", var.adapter_layer_arn))
    error_message = "adapter_layer_arn must be the ARN of a layer's version, and not version 29 of AWS's own: that release was withdrawn."
  }
}

variable "web_acl_arn" {
  description = "ARN of a regional web ACL of AWS WAF that stands before the door that streams, such as one with a rule by address; null for none. An HTTP API takes none."
  type        = string
  default     = null

  validation {
    condition     = var.web_acl_arn == null ? true : can(regex("^arn:aws[a-z-]*:wafv2:[a-z0-9-]+:[0-9]{12}:regional/webacl/", var.web_acl_arn))
    error_message = "web_acl_arn must be the ARN of a regional web ACL."
  }
}

variable "api_gateway_log_role" {
  description = "own: make the role by which API Gateway logs, and set it for the account in this region, which has one for all of its REST APIs. account: it is set already, by another environment in the same account and region or by hand."
  type        = string
  default     = "own"
  nullable    = false

  validation {
    condition     = contains(["own", "account"], var.api_gateway_log_role)
    error_message = "api_gateway_log_role must be own or account."
  }
}

variable "expected_load" {
  description = "Keys of each tier that run at their limit at the same time, seconds that a call takes, and streams that run at the same time: compared with the account's Lambda concurrency."
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
    error_message = "expected_load.latency_seconds must lie above 0 and not above 29, the longest that the HTTP API waits."
  }
}

variable "lambda_concurrency" {
  description = "Executions at once that AWS allows this account in this region; null asks Service Quotas (servicequotas:GetServiceQuota)."
  type        = number
  default     = null

  validation {
    condition     = var.lambda_concurrency == null ? true : var.lambda_concurrency >= 1 && floor(var.lambda_concurrency) == var.lambda_concurrency
    error_message = "lambda_concurrency must be a whole number from 1."
  }
}

variable "reserved_concurrency" {
  description = "Function -> executions reserved for it, and its upper bound. null: 10 for health, 10 for admin and a tenth of the account's, 50 at least, for the authorizer, where the account has 400 or more. {}: none. AWS keeps 100 of the account's unreserved."
  type        = map(number)
  default     = null

  validation {
    condition     = var.reserved_concurrency == null ? true : alltrue([for count in values(var.reserved_concurrency) : count >= 1 && floor(count) == count])
    error_message = "reserved_concurrency must be whole numbers from 1; 0 would stop the function."
  }
}

variable "provisioned_concurrency" {
  description = "Function -> executions kept warm, billed by the hour."
  type        = map(number)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for count in values(var.provisioned_concurrency) : count >= 1 && floor(count) == count])
    error_message = "provisioned_concurrency must be whole numbers from 1; leave a function out to keep none warm."
  }
}

variable "snap_start" {
  description = "Functions that start from a snapshot. Each published version is billed; a function can't have provisioned concurrency as well."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = length(setintersection(var.snap_start, keys(var.provisioned_concurrency))) == 0
    error_message = "snap_start and provisioned_concurrency exclude each other for the same function."
  }
}

variable "custom_domain" {
  description = "One host name for both APIs (/v1/* is the one that streams), and the ARN of its certificate in ACM, same region. The DNS record is yours to set: output custom_domain_target."
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
  description = "Address that gets the alarms of the profile full, after it confirmed a mail from AWS; null sends none."
  type        = string
  default     = null

  validation {
    condition     = var.alarm_email == null ? true : can(regex("^[^@ ]+@[^@ ]+\\.[^@ ]+$", var.alarm_email))
    error_message = "alarm_email must be an e-mail address."
  }
}

variable "alarms_subscribed_elsewhere" {
  description = "Something outside of this configuration listens to the topic of the alarms (output alarm_topic), such as a pager: a plan without alarm_email then does not warn."
  type        = bool
  default     = false
  nullable    = false
}

variable "detailed_route_metrics" {
  description = "CloudWatch metrics of each route. Each costs 0.30 US dollars a month: up to 80 dollars for all routes. The functions' own metrics tell classes of routes apart without them."
  type        = bool
  default     = false
  nullable    = false
}

variable "spend_alarm_usd_per_hour" {
  description = "US dollars of model cost within an hour that raise the alarm budget (profile full). It warns; keys' own budgets are what stops."
  type        = number
  default     = 10
  nullable    = false

  validation {
    condition     = var.spend_alarm_usd_per_hour > 0
    error_message = "spend_alarm_usd_per_hour must be more than 0."
  }
}
