# The gateway as a module of another configuration, which has its own workspaces, state and zips.

terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.25, < 7"
    }
  }
}

variable "region" {
  description = "AWS region in which everything is created."
  type        = string
  default     = "eu-central-1"
}

variable "artifacts" {
  description = "Where the gateway's zips are: a folder that `make build` filled, or a release in S3 with its checksums."
  type = object({
    directory = optional(string)
    url       = optional(string)
    sha256    = optional(map(string), {})
  })
  default = {}
}

# The rest of this configuration: for example a budget that watches what the gateway spends.
provider "aws" {
  region = var.region
}

resource "aws_budgets_budget" "gateway" {
  name         = "ai-gateway"
  budget_type  = "COST"
  limit_amount = "50"
  limit_unit   = "USD"
  time_unit    = "MONTHLY"

  cost_filter {
    name   = "TagKeyValue"
    values = ["user:environment$demo"]
  }
}

module "gateway" {
  source = "../.." # git::https://HOST/OWNER/REPOSITORY.git//terraform?ref=VERSION from elsewhere

  environment               = "demo"
  region                    = var.region
  workspace_per_environment = false # the workspaces belong to this root module
  artifacts                 = var.artifacts
  providers_enabled         = ["bedrock"]
  deletion_protection       = false
  secret_recovery_days      = 0
}

output "gateway_url" {
  description = "Base URL of the gateway."
  value       = module.gateway.url
}

output "openai_base_url" {
  description = "Base URL for OpenAI's client libraries."
  value       = module.gateway.openai_base_url
}
