locals {
  # Providers for which the functions sign with their own roles, so that no secret is needed.
  called_by_role = var.bedrock_credentials == "role" ? ["bedrock"] : []

  # The secrets that functions name, of the providers in use. Terraform creates only the secret; `make secret` sets its value.
  secret_names = {
    for secret in toset(flatten([for function in values(local.functions) : try(function.secrets, [])])) :
    secret => "${local.prefix}/${secret}" if contains(var.providers_enabled, secret) && !contains(local.called_by_role, secret)
  }
}

# There must never be a secret version here: a value that Terraform sets would be stored in the state.
resource "aws_secretsmanager_secret" "provider" {
  #checkov:skip=CKV_AWS_149:AWS's own keys encrypt everything unless kms_key_arn names a key: a customer-managed key costs money and needs care
  #checkov:skip=CKV2_AWS_57:only the provider's console can create such a key, so no function can rotate it; `make secret` replaces it

  for_each = local.secret_names

  name                    = each.value
  description             = "Key for the model provider ${each.key}"
  kms_key_id              = var.kms_key_arn
  recovery_window_in_days = var.secret_recovery_days
}
