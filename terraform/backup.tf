# Backups of all tables, made daily and kept in a vault of their own: what a deleted table, or a deployment that was taken down
# by mistake, is restored from. Point-in-time recovery (modules/table) is for everything else. How: docs/restore.md.

locals {
  backup = local.emulated ? null : var.backup # emulators make none
}

resource "aws_backup_vault" "tables" {
  #checkov:skip=CKV_AWS_166:every key is AWS's own unless kms_key_arn names one: a key of one's own costs and has to be looked after
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
  description          = "By it AWS Backup makes the backups of ${local.prefix}'s tables"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "backup.amazonaws.com" }
    }]
  })
}

# AWS's own policy for making backups. It may not restore: who restores does that by a role of their own.
resource "aws_iam_role_policy_attachment" "backup" {
  for_each = toset(local.backup == null ? [] : ["tables"])

  role       = aws_iam_role.backup["tables"].name
  policy_arn = "arn:${local.partition}:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForBackup"
}
