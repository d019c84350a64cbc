variable "name" {
  description = "Name of the table."
  type        = string

  validation {
    condition     = can(regex("^[a-zA-Z0-9_.-]{3,255}$", var.name))
    error_message = "The name of a table must have 3 to 255 letters, digits, hyphens, dots and underscores."
  }
}

variable "key" {
  description = "The key as [name, type] pairs: the partition key, then the sort key if the table has one. Types are S, N and B."
  type        = list(list(string))

  validation {
    condition     = length(var.key) >= 1 && length(var.key) <= 2 && alltrue([for part in var.key : contains(["S", "N", "B"], part[1])])
    error_message = "A key must have one or two attributes of type S, N or B."
  }
}

variable "indexes" {
  description = "Global secondary indexes: name -> key, in the same form as the table's key."
  type        = map(list(list(string)))
  default     = {}
}

variable "stream" {
  description = "View type of the stream of changes, for example NEW_AND_OLD_IMAGES; null for no stream."
  type        = string
  default     = null
}

variable "ttl" {
  description = "Attribute with the Unix time in seconds after which DynamoDB may delete an item; null keeps all items."
  type        = string
  default     = null
}

variable "deletion_protection" {
  description = "Refuse to delete the table."
  type        = bool
}

variable "point_in_time_recovery" {
  description = "Turn on point-in-time recovery: the table can be restored to any second of the last 35 days."
  type        = bool
}

variable "kms_key_arn" {
  description = "ARN of the KMS key for encryption at rest; null means the key that AWS owns."
  type        = string
  default     = null
}

variable "projections" {
  description = "Name of an index -> its projection, for each index whose projection is not ALL."
  type        = map(string)
  default     = {}
  nullable    = false
}
