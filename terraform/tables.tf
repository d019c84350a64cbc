locals {
  # The first attribute of a key is the partition key, but jsondecode() sorts attributes by name, so the order is read from the
  # text. Two keys with the same attributes in a different order could not be distinguished; one() refuses them.
  keys_in_order = {
    for pairs in [
      for object in regexall("\"key\"\\s*:\\s*\\{([^}]*)\\}", file("${local.root}/shared/tables.json")) :
      regexall("\"([^\"]+)\"\\s*:\\s*\"([A-Z]+)\"", object[0])
    ] : join(" ", sort([for pair in pairs : pair[0]])) => pairs...
  }
  table_keys = {
    for key, table in local.tables : key => {
      table   = one(distinct(local.keys_in_order[join(" ", keys(table.key))]))
      indexes = { for name, index in try(table.indexes, {}) : name => one(distinct(local.keys_in_order[join(" ", keys(index.key))])) }
    }
  }
}

module "table" {
  source   = "./modules/table"
  for_each = local.tables

  name        = local.table_names[each.key]
  key         = local.table_keys[each.key].table
  indexes     = local.table_keys[each.key].indexes
  projections = { for name, index in try(each.value.indexes, {}) : name => index.projection if can(index.projection) }
  stream      = try(each.value.stream, null)
  ttl         = try(each.value.ttl, null)

  deletion_protection    = var.deletion_protection
  point_in_time_recovery = var.point_in_time_recovery
  kms_key_arn            = var.kms_key_arn
}
