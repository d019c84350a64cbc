terraform {
  # 1.11 is the first release in which the S3 backend's own locking is no longer experimental.
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.25, < 7"
    }
  }

  # The bucket and the region come from -backend-config (docs/terraform.md). Each workspace has its own state in the bucket.
  backend "s3" {
    key          = "ai-gateway/terraform.tfstate"
    encrypt      = true
    use_lockfile = true
  }
}
