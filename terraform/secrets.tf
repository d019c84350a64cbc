locals {
  # Providers that the functions' own role signs for, so that they need no secret.
  called_by_role = var.bedrock_credentials == "role" ? ["bedrock"] : []

  # Secrets that a function names, of the providers in use. A name, not an ARN: the value is put there by `make secret`.
  secret_names = {
    for secret in toset(flatten([for function in values(local.functions) : try(function.secrets, [])])) :
    secret => "${local.prefix}/${secret}" if contains(var.providers_enabled, secret) && !contains(local.called_by_role, secret)
  }
}

# No version of it here, ever: a value that Terraform sets would stand in the state.
resource "aws_secretsmanager_secret" "provider" {
  #checkov:skip=CKV_AWS_149:every key is AWS's own unless kms_key_arn names one: a key of one's own costs and has to be looked after
  #checkov:skip=CKV2_AWS_57:only the provider's own console makes such a key, so that no function could rotate it; `make secret` replaces it

  for_each = local.secret_names

  name                    = each.value
  description             = "Key for the model provider ${each.key}"
  kms_key_id              = var.kms_key_arn
  recovery_window_in_days = var.secret_recovery_days
}
