environment          = "staging"
region               = "eu-central-1"
profile              = "full"
log_retention_days   = 30
deletion_protection  = false
secret_recovery_days = 7

expected_load = {
  keys            = { free = 20, basic = 5 }
  latency_seconds = 10
}
