# Daily backups of all tables, kept in their own vault. A deleted table, or a deployment that was destroyed by mistake, is restored
# from them. For everything else there is point-in-time recovery (modules/table). docs/restore.md says how to restore.

locals {
  backup = local.emulated ? null : var.backup # emulators make no backups
}

resource "aws_backup_vault" "tables" {
  #checkov:skip=CKV_AWS_166:AWS's own keys encrypt everything unless kms_key_arn names a key: a customer-managed key costs money and needs care
  for_each = toset(local.backup == null ? [] : ["tables"])

  name        = "${local.prefix}-tables"
  kms_key_arn = var.kms_key_arn
}

resource "aws_backup_vault_lock_configuration" "tables" {
  for_each = toset(try(local.backup.lock, null) == null ? [] : ["tables"])

  backup_vault_name   = aws_backup_vault.tables["tables"].name
  min_retention_days  = var.backup.lock.min_days
  changeable_for_days = var.backup.lock.grace_days
}

resource "aws_backup_plan" "tables" {
  for_each = toset(local.backup == null ? [] : ["tables"])

  name = "${local.prefix}-tables"

  rule {
    rule_name         = "daily"
    target_vault_name = aws_backup_vault.tables["tables"].name
    schedule          = var.backup.schedule
    start_window      = 60  # minutes
    completion_window = 360 # minutes

    lifecycle {
      delete_after = var.backup.keep_days
    }

    dynamic "copy_action" {
      for_each = var.backup.copy_to[*]
      content {
        destination_vault_arn = copy_action.value

        lifecycle {
          delete_after = var.backup.keep_days
        }
      }
    }
  }
}

resource "aws_backup_selection" "tables" {
  for_each = toset(local.backup == null ? [] : ["tables"])

  name         = "${local.prefix}-tables"
  plan_id      = aws_backup_plan.tables["tables"].id
  iam_role_arn = aws_iam_role.backup["tables"].arn
  resources    = [for table in sort(keys(local.tables)) : local.table_arns[table]]
}

resource "aws_iam_role" "backup" {
  for_each = toset(local.backup == null ? [] : ["tables"])

  name                 = "${local.prefix}-backup"
  path                 = var.iam_path
  permissions_boundary = var.permissions_boundary_arn
  description          = "AWS Backup uses it to back up the tables of ${local.prefix}"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "backup.amazonaws.com" }
    }]
  })
}

# AWS's own policy for making backups. It has no right to restore: an operator restores with another role.
resource "aws_iam_role_policy_attachment" "backup" {
  for_each = toset(local.backup == null ? [] : ["tables"])

  role       = aws_iam_role.backup["tables"].name
  policy_arn = "arn:${local.partition}:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForBackup"
}
