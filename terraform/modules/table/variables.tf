variable "name" {
  description = "Name of the table."
  type        = string

  validation {
    condition     = can(regex("^[a-zA-Z0-9_.-]{3,255}$", var.name))
    error_message = "A table's name has 3 to 255 letters, digits, hyphens, dots and underscores."
  }
}

variable "key" {
  description = "The key as [name, type] pairs: first the partition key, then the sort key, if any. Types are S, N and B."
  type        = list(list(string))

  validation {
    condition     = length(var.key) >= 1 && length(var.key) <= 2 && alltrue([for part in var.key : contains(["S", "N", "B"], part[1])])
    error_message = "A key has one or two attributes of type S, N or B."
  }
}

variable "indexes" {
  description = "Global secondary indexes: name -> key, in the same form."
  type        = map(list(list(string)))
  default     = {}
}

variable "stream" {
  description = "What the stream of changes shows, for example NEW_AND_OLD_IMAGES; null for no stream."
  type        = string
  default     = null
}

variable "ttl" {
  description = "Attribute that holds the second after which an item may go; null keeps items."
  type        = string
  default     = null
}

variable "deletion_protection" {
  description = "Refuse to delete the table."
  type        = bool
}

variable "point_in_time_recovery" {
  description = "Keep the table restorable to any second of the last 35 days."
  type        = bool
}

variable "kms_key_arn" {
  description = "Key for encryption at rest; null means the one AWS owns."
  type        = string
  default     = null
}

variable "projections" {
  description = "What an index holds beside its keys, by its name, where it is not ALL."
  type        = map(string)
  default     = {}
  nullable    = false
}
