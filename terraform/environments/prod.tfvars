environment        = "prod"
region             = "eu-central-1"
profile            = "full"
log_retention_days = 365
backup             = {} # daily, kept for 35 days; a lock of the vault and a copy to another vault are optional

throttling = {
  rate  = 500
  burst = 1000
  routes = {
    "GET /health" = { rate = 50, burst = 100 }
  }
}

expected_load = {
  keys            = { free = 100, basic = 20, premium = 2 }
  latency_seconds = 10
}
