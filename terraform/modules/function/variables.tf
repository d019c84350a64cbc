variable "name" {
  description = "Name of the function, its role and its log group."
  type        = string

  validation {
    condition     = can(regex("^[a-zA-Z0-9-_]{1,64}$", var.name))
    error_message = "A function's name has 64 letters, digits, hyphens and underscores at most."
  }
}

variable "description" {
  description = "What the function does."
  type        = string

  validation {
    condition     = length(var.description) <= 256
    error_message = "Lambda takes 256 characters of description."
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
    error_message = "Lambda offers 128 to 10,240 MB."
  }
}

variable "timeout" {
  description = "Seconds after which a run is stopped."
  type        = number

  validation {
    condition     = var.timeout >= 1 && var.timeout <= 900
    error_message = "Lambda runs 1 to 900 seconds."
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
  description = "ARNs of layer versions; a later one wins where names clash."
  type        = list(string)

  validation {
    condition     = length(var.layers) <= 5
    error_message = "A function takes five layers."
  }
}

variable "environment" {
  description = "Environment variables. No secrets: whoever may read the function reads them."
  type        = map(string)
}

variable "statements" {
  description = "Statements of the role's policy, besides those that every function has for its logs and traces."
  type = list(object({
    Sid        = string
    Action     = list(string)
    Resource   = list(string)
    Partitions = optional(list(string)) # of a table: the only ones that the actions may meet
    Profiles   = optional(list(string)) # inference profiles: the only ones that a model may be called through
  }))
}

variable "log_retention_days" {
  description = "Days that logs are kept."
  type        = number
}

variable "kms_key_arn" {
  description = "Key for environment and logs; null means AWS's own."
  type        = string
  default     = null
}

variable "iam_path" {
  description = "Path of the role."
  type        = string
  default     = "/"
}

variable "permissions_boundary_arn" {
  description = "Policy that bounds what the role may do at most; null for none."
  type        = string
  default     = null
}

variable "reserved_concurrency" {
  description = "Executions reserved; -1 reserves none."
  type        = number
  default     = -1
}

variable "provisioned_concurrency" {
  description = "Executions kept warm; 0 for none."
  type        = number
  default     = 0
}

variable "snap_start" {
  description = "Start published versions from a snapshot."
  type        = bool
  default     = false
}
