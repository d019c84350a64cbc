variable "name" {
  description = "Name of the function, its role and its log group."
  type        = string

  validation {
    condition     = can(regex("^[a-zA-Z0-9-_]{1,64}$", var.name))
    error_message = "The name of a function must have 1 to 64 letters, digits, hyphens and underscores."
  }
}

variable "description" {
  description = "What the function does."
  type        = string

  validation {
    condition     = length(var.description) <= 256
    error_message = "The description must have at most 256 characters."
  }
}

variable "architecture" {
  description = "Processor that the function runs on: arm64 or x86_64."
  type        = string
}

variable "handler" {
  description = "Dotted path of the handler in the zip, or the script there that starts a server."
  type        = string

  validation {
    condition     = can(regex("^[a-z_][a-z0-9_]*((\\.[a-z_][a-z0-9_]*)+|(/[a-z_][a-z0-9_]*)+\\.sh)$", var.handler))
    error_message = "handler must be a dotted path such as functions.health.handler.handler, or a script such as functions/stream/run.sh."
  }
}

variable "memory" {
  description = "Memory in MB."
  type        = number

  validation {
    condition     = var.memory >= 128 && var.memory <= 10240
    error_message = "memory must be 128 to 10,240 MB."
  }
}

variable "timeout" {
  description = "Seconds after which a run is stopped."
  type        = number

  validation {
    condition     = var.timeout >= 1 && var.timeout <= 900
    error_message = "timeout must be 1 to 900 seconds."
  }
}

variable "package" {
  description = "The zip: a file here or an object in S3, and its SHA-256 in base64."
  type = object({
    filename  = string
    s3_bucket = string
    s3_key    = string
    hash      = string
  })
}

variable "layers" {
  description = "ARNs of layer versions. If two layers contain the same file, the later layer wins."
  type        = list(string)

  validation {
    condition     = length(var.layers) <= 5
    error_message = "A function can have at most five layers."
  }
}

variable "environment" {
  description = "Environment variables. They must contain no secrets, because anybody who may read the function can read them."
  type        = map(string)
}

variable "statements" {
  description = "All statements of the role's policy. Partitions limits the actions to these partitions of a table; Profiles limits calls of a model to these inference profiles."
  type = list(object({
    Sid        = string
    Action     = list(string)
    Resource   = list(string)
    Partitions = optional(list(string))
    Profiles   = optional(list(string))
  }))
}

variable "log_retention_days" {
  description = "For how many days logs are kept."
  type        = number
}

variable "kms_key_arn" {
  description = "ARN of the KMS key for environment variables and logs; null means AWS's own key."
  type        = string
  default     = null
}

variable "iam_path" {
  description = "IAM path of the role."
  type        = string
  default     = "/"
}

variable "permissions_boundary_arn" {
  description = "ARN of the policy that limits the role's rights; null for none."
  type        = string
  default     = null
}

variable "reserved_concurrency" {
  description = "Executions that are reserved for the function; -1 reserves none."
  type        = number
  default     = -1
}

variable "provisioned_concurrency" {
  description = "Executions that are kept warm; 0 for none."
  type        = number
  default     = 0
}

variable "snap_start" {
  description = "Start published versions from a snapshot (SnapStart)."
  type        = bool
  default     = false
}
