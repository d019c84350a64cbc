environment            = "dev"
region                 = "eu-central-1"
profile                = "minimal"
log_level              = "DEBUG"
log_retention_days     = 14
deletion_protection    = false
point_in_time_recovery = false
secret_recovery_days   = 0

# A new account may run 10 functions at once.
expected_load = {
  keys            = { free = 5 }
  latency_seconds = 10
}
