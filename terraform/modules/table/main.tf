# One DynamoDB table, which is billed by request.

resource "aws_dynamodb_table" "this" {
  #checkov:skip=CKV_AWS_119:AWS's own keys encrypt everything unless kms_key_arn names a key: a customer-managed key costs money and needs care

  name                        = var.name
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = var.key[0][0]
  range_key                   = try(var.key[1][0], null)
  stream_enabled              = var.stream != null
  stream_view_type            = var.stream
  deletion_protection_enabled = var.deletion_protection

  dynamic "attribute" {
    for_each = { for part in concat(var.key, values(var.indexes)...) : part[0] => part[1]... }
    content {
      name = attribute.key
      type = one(distinct(attribute.value))
    }
  }

  dynamic "global_secondary_index" {
    for_each = var.indexes
    content {
      name            = global_secondary_index.key
      hash_key        = global_secondary_index.value[0][0]
      range_key       = try(global_secondary_index.value[1][0], null)
      projection_type = lookup(var.projections, global_secondary_index.key, "ALL")
    }
  }

  dynamic "ttl" {
    for_each = var.ttl[*]
    content {
      attribute_name = ttl.value
      enabled        = true
    }
  }

  point_in_time_recovery {
    enabled = var.point_in_time_recovery
  }

  # Without kms_key_arn this block is left out: "enabled" without a key would mean the AWS managed key, which is billed by call.
  dynamic "server_side_encryption" {
    for_each = var.kms_key_arn[*]
    content {
      enabled     = true
      kms_key_arn = server_side_encryption.value
    }
  }
}
