"""Deliberate mistakes in Terraform's own files that break production, and the check that must notice each of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Change:
    """In `file`, relative to the copy, `old` occurs exactly once and is replaced by `new`."""

    file: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Mistake:
    """`seen`: a regular expression for a line of the golden plan's difference, or "" if today's plan does not change.
    `fails`: the expectation that is no longer met (expected.py), or "" if only the difference shows the mistake.
    `wrong`: a regular expression for a line of that expectation. Two mistakes that fail one expectation can be made
    together only if both have it. `hides`: mistakes whose trace is lost if this one is made too."""

    change: Change
    seen: str
    fails: str = ""
    wrong: str = ""
    hides: tuple[str, ...] = ()


def in_(file: str, old: str, new: str) -> Change:
    return Change(f"terraform/{file}", old, new)


FUNCTION, TABLE = "modules/function/main.tf", "modules/table/main.tf"
_LOG = "/aws/lambda/${var.name}"

MISTAKES: dict[str, Mistake] = {
    # API Gateway
    "changes are not deployed": Mistake(
        in_("api.tf", "auto_deploy = true", "auto_deploy = false"),
        r"stage.this: \+ auto_deploy = false",
        "api",
        r"stage: auto_deploy is False",
    ),
    "the API's own address is shut": Mistake(
        in_("api.tf", "try(var.custom_domain.only, false)", "try(var.custom_domain.only, true)"),
        r"prod: aws_apigatewayv2_api.this: \+ disable_execute_api_endpoint = true",
        "api",
        r"API: disable_execute_api_endpoint is True",
    ),
    "pages send cookies along": Mistake(
        in_("api.tf", "allow_headers = local.cors.allow_headers", "allow_headers = []\n      allow_credentials = true"),
        r"\+ cors_configuration\[0\].allow_credentials = true",
        "api",
        r"CORS: allow_credentials is True",
    ),
    "admin routes are open": Mistake(
        in_("api.tf", 'access == "public" ? "NONE"', 'access != "bearer" ? "NONE"'),
        r'this\["POST /api/v1/admin/keys"\]: \+ authorization_type = "NONE"',
        "routes",
    ),
    "keys are read from another header": Mistake(
        in_("api.tf", '"$request.header.Authorization"', '"$request.header.X-API-Key"'),
        r'authorizer.this\["bearer"\]: \+ identity_sources = \["\$request.header.X-API-Key"\]',
        "authorizers",
        r"bearer: identity_sources is \['\$request.header.X-API-Key'",
    ),
    "a revoked key works for an hour": Mistake(
        in_("api.tf", "= local.functions[local.authorizer].authorizer.ttl", "= 3600"),
        r"\+ authorizer_result_ttl_in_seconds = 3600",
        "authorizers",
        r"authorizer_result_ttl_in_seconds is 3600",
    ),
    "the function gets events of another form": Mistake(
        in_("api.tf", '  payload_format_version = "2.0"\n  # Half', '  payload_format_version = "1.0"\n  # Half'),
        r'integration.this\["mcp"\]: \+ payload_format_version = "1.0"',
        "integrations",
    ),
    "the API may call no alias": Mistake(
        in_("api.tf", "  qualifier     = module.function", "  statement_id_prefix = null\n  #"),
        r"lambda_permission.api.*: - qualifier = ",
        "permissions",
        r"permission Api-admin: qualifier is None",
    ),
    "one call a second for everybody": Mistake(
        in_("api.tf", "throttling_rate_limit    = var.throttling.rate\n", "throttling_rate_limit    = 1\n"),
        r"\+ default_route_settings\[0\].throttling_rate_limit = 1\b",
        "throttling",
        r"throttling_rate_limit is 1,",
    ),
    "the access log forgets who it was": Mistake(
        in_("api.tf", '    key_id            = "$context.authorizer.keyId"\n', ""),
        r"- access_log_settings\[0\].format\{\}.key_id",
        "access_log",
    ),
    "old ciphers on the custom domain": Mistake(
        in_("api.tf", "TLS_1_2", "TLS_1_0"),
        r'options: aws_apigatewayv2_domain_name.*security_policy = "TLS_1_0"',
        "domain",
        r"security_policy is 'TLS_1_0'",
    ),
    # Functions
    "no function runs": Mistake(
        in_(
            "functions.tf",
            "lookup(local.reserved_concurrency, each.key, -1)",
            "lookup(local.reserved_concurrency, each.key, 0)",
        ),
        r"prod: module.function.*reserved_concurrent_executions = 0",
        "functions",
        r"reserved_concurrent_executions is 0",
    ),
    "another Python": Mistake(
        in_(FUNCTION, '"python3.13"', '"python3.12"'),
        r'\+ runtime = "python3.12"',
        "functions",
        r"runtime is 'python3.12'",
    ),
    "another processor": Mistake(
        in_(FUNCTION, "[var.architecture]", '["x86_64"]'),
        r'\+ architectures = \["x86_64"\]',
        "functions",
        r"admin: architectures is \['x86_64'\]",
    ),
    "layers of another processor": Mistake(
        in_("layers.tf", "[var.architecture]", '["x86_64"]'),
        r'\+ compatible_architectures = \["x86_64"\]',
        "layers",
        r"compatible_architectures is \['x86_64'\]",
    ),
    "the alias is on what is not published": Mistake(
        in_(FUNCTION, "= aws_lambda_function.this.version", '= "$LATEST"'),
        r'\+ function_version = "\$LATEST"',
        "aliases",
    ),
    "a changed zip is not deployed": Mistake(
        in_(FUNCTION, "source_code_hash = var.package.hash", "source_code_hash = null"),
        r"module.function.*- source_code_hash = ",
        "wired",
        r"source_code_hash does not ask for",
    ),
    "any page may call the MCP server": Mistake(
        in_("functions.tf", 'join(",", var.mcp_allowed_origins)', '"*"'),
        r'\["mcp"\].*\+ environment\[0\].variables.MCP_ALLOWED_ORIGINS = "\*"',
        "environment",
        r"prod-mcp: environment: .*'MCP_ALLOWED_ORIGINS': '\*'",
    ),
    "nothing is traced": Mistake(
        in_(FUNCTION, 'mode = "Active"', 'mode = "PassThrough"'),
        r'\+ tracing_config\[0\].mode = "PassThrough"',
        "functions",
        r"tracing: mode is 'PassThrough'",
    ),
    "logs are kept for a day": Mistake(
        in_(FUNCTION, "= var.log_retention_days", "= 1"), r"module.function.*\+ retention_in_days = 1\b", "logs"
    ),
    "dependencies hide the gateway's own code": Mistake(
        in_("layers.tf", '["dependencies", "gateway"]', '["gateway", "dependencies"]'),
        r'\["admin"\].*\+ layers = \[.*prod-gateway:1',
        "functions",
        r"prod-admin: layers: \[.*-gateway:1', .*-dependencies:1'\], not",
    ),
    # Rights
    "any account may take a role": Mistake(
        in_(FUNCTION, 'Principal = { Service = "lambda.amazonaws.com" }', 'Principal = { AWS = "*" }'),
        r'\+ assume_role_policy.*"AWS": "\*"',
        "roles",
        r"prod-admin: trust: .*'AWS': '\*'",
    ),
    "another service starts the jobs": Mistake(
        in_("schedules.tf", '"scheduler.amazonaws.com"', '"events.amazonaws.com"'),
        r"aws_iam_role.scheduler\[0\]: \+ assume_role_policy.*events.amazonaws.com",
        "roles",
        r"prod-scheduler: trust: .*'events.amazonaws.com'",
    ),
    "the scheduler can't read its schedules": Mistake(
        in_("schedules.tf", 'Action = ["kms:Decrypt"]', 'Action = ["kms:DescribeKey"]'),
        r"options: aws_iam_role_policy.scheduler\[0\]: .*kms:DescribeKey",
        "key_rights",
    ),
    # Event sources
    "schedules are off": Mistake(
        in_(
            "schedules.tf",
            "  kms_key_arn         = var.kms_key_arn",
            '  kms_key_arn = var.kms_key_arn\n  state = "DISABLED"',
        ),
        r'\+ state = "DISABLED"',
        "schedules",
        r"sweeper: state is 'DISABLED'",
    ),
    "the scheduler starts no alias": Mistake(
        in_(
            "schedules.tf",
            "arn      = module.function[each.key].alias_arn",
            'arn      = trimsuffix(module.function[each.key].alias_arn, ":live")',
        ),
        r'schedule.this\["sweeper"\]: \+ target\[0\].arn = ".*sweeper"',
        "schedules",
        r"sweeper: target: arn is .*-sweeper', not",
    ),
    "a failed run comes thrice": Mistake(
        in_(
            "schedules.tf",
            "  maximum_retry_attempts       = 0\n  maximum_event_age",
            "  maximum_retry_attempts       = 2\n  maximum_event_age",
        ),
        r"invoke_config.schedule.*\+ maximum_retry_attempts = 2",
        "started",
    ),
    "nobody reads the stream": Mistake(
        in_(
            "streams.tf",
            'starting_position                  = "TRIM_HORIZON"',
            'starting_position = "TRIM_HORIZON"\n  enabled = false',
        ),
        r"\+ enabled = false",
        "source",
        r"event source: enabled is False",
    ),
    "records are older than the stream's memory": Mistake(
        in_("streams.tf", "= 64800", "= 604800"),
        r"\+ maximum_record_age_in_seconds = 604800",
        "source",
        r"maximum_record_age_in_seconds is 604800",
    ),
    "one bad record fails a whole batch for good": Mistake(
        in_("streams.tf", "bisect_batch_on_function_error = true", "bisect_batch_on_function_error = false"),
        r"\+ bisect_batch_on_function_error = false",
        "source",
        r"bisect_batch_on_function_error is False",
    ),
    "given up means lost within a minute": Mistake(
        in_("streams.tf", "= 1209600", "= 60"), r"\+ message_retention_seconds = 60", "queue"
    ),
    # Data
    "a table may be deleted": Mistake(
        in_(
            "variables.tf",
            'turn it off and apply that."\n  type        = bool\n  default     = true',
            '"\n  type = bool\n  default = false',
        ),
        r"prod: module.table.*\+ deletion_protection_enabled = false",
        "protection",
        r"deletion_protection_enabled is False",
    ),
    "nothing can be restored": Mistake(
        in_(
            "environments/prod.tfvars",
            "log_retention_days = 365",
            "log_retention_days = 365\npoint_in_time_recovery = false",
        ),
        r"prod: module.table.*\+ point_in_time_recovery\[0\].enabled = false",
        "protection",
        r"recovery: enabled is False",
    ),
    "items never go": Mistake(
        in_(
            TABLE,
            "attribute_name = ttl.value\n      enabled        = true",
            "attribute_name = ttl.value\n      enabled        = false",
        ),
        r"\+ ttl\[0\].enabled = false",
        "tables",
        r"usage: time to live: \[\('ttl', False\)\]",
    ),
    "the stream shows the keys alone": Mistake(
        in_(TABLE, "= var.stream\n", '= var.stream == null ? null : "KEYS_ONLY"\n'),
        r'\+ stream_view_type = "KEYS_ONLY"',
        "streams",
    ),
    "an index holds the keys alone": Mistake(
        in_(TABLE, 'lookup(var.projections, global_secondary_index.key, "ALL")', '"KEYS_ONLY"'),
        r'global_secondary_index\["by-term"\].projection_type = "KEYS_ONLY"',
        "tables",
        r"indexes: .*'KEYS_ONLY'.*, not",
    ),
    "a deleted secret is gone": Mistake(
        in_("secrets.tf", "= var.secret_recovery_days", "= 0"), r"\+ recovery_window_in_days = 0", "secrets"
    ),
    "a key of one's own does not reach the topic": Mistake(
        in_("budgets.tf", "kms_master_key_id = var.kms_key_arn", "kms_master_key_id = null"),
        r"options: aws_sns_topic.budgets",
        "encryption",
    ),
    # Watching
    "alarms look at what nobody counts": Mistake(
        in_("alarms.tf", 'metric = "Throttles", dimensions', 'metric = "Invocations", dimensions'),
        r'completions-throttles"\]: \+ metric_query\["refused"\].*metric_name = "Invocations"',
        "alarms",
        r"prod-admin-throttles: looks at: ",
    ),
    "an alarm out of reach": Mistake(
        in_("alarms.tf", "threshold   = 25000", "threshold   = 31000"),
        r'api-p99"\]: \+ threshold = 31000',
        "alarms",
        r"api-p99: its threshold 31000",
    ),
    "silence is no alarm": Mistake(
        in_("alarms.tf", 'missing     = "breaching"', 'missing     = "ignore"'),
        r'sweeper-silent"\]: \+ treat_missing_data = "ignore"',
        "alarms",
        r"sweeper-silent: treat_missing_data is 'ignore'",
    ),
    "the topic has another name": Mistake(
        in_("alarms.tf", '"${local.prefix}-alarms"', '"${local.prefix}-alerts"'),
        r'aws_sns_topic.alarms\[0\]: \+ name = "ai-gateway-prod-alerts"',
        "told",
        r"prod-admin-errors: alarm_actions: .*-alerts'\], not",
    ),
    "nobody is told": Mistake(
        in_(
            "alarms.tf",
            "  ok_actions          = each.value.told",
            "  actions_enabled = false\n  ok_actions = each.value.told",
        ),
        r"metric_alarm.*\+ actions_enabled = false",
        "told",
        r"1h-slo-availability: actions_enabled is False",
    ),
    "the dashboard is of another region": Mistake(
        in_("dashboard.tf", "region  = var.region", 'region  = "us-west-1"'),
        r'\+ dashboard_body.*"us-west-1"',
        "dashboard",
        r"Answers of the API shows nothing of eu-central-1",
    ),
    "a query finds nothing": Mistake(
        in_(
            "queries.tf",
            '"filter message = \\"request\\"",\n      "fields',
            '"filter message = \\"requests\\"",\n      "fields',
        ),
        r'query_definition.this\["slowest-calls"\]: \+ query_string',
    ),
    "an output leads nowhere": Mistake(
        in_("outputs.tf", 'value       = "${local.url}/v1"', 'value       = "${local.url}/v2"'),
        r"prod: output.openai_base_url: \+ value",
        "outputs",
    ),
    # Mistakes that no plan shows
    "a wrong workspace is let through": Mistake(
        in_("checks.tf", " || terraform.workspace == var.environment", ' || terraform.workspace != ""'),
        r'unseen: resource "terraform_data" "preflight": \+ +condition = .* != ""',
    ),
    "unknown metrics are let through": Mistake(
        in_("dashboard.tf", "  unknown_metrics = [\n", "  unknown_metrics = [] == [] ? [] : [\n"),
        r"unseen: .*\+ local.unknown_metrics",
    ),
    "the quota is that of another service": Mistake(
        in_("checks.tf", "L-B99A9384", "L-00000000"),
        r'unseen: data "aws_servicequotas_service_quota" "concurrency": .*L-00000000',
    ),
    "a change of a function is ignored": Mistake(
        in_(
            FUNCTION,
            "  depends_on = [aws_iam_role_policy.this]\n",
            "  lifecycle {\n    ignore_changes = [source_code_hash]\n  }\n",
        ),
        r"unseen: modules/function: resource .*\+   ignore_changes = \[source_code_hash\]",
        "attributes",
        r"sets lifecycle.ignore_changes",
    ),
    "any value will do": Mistake(
        in_(
            "variables.tf",
            'condition     = contains(["minimal", "full"], var.profile)',
            "condition     = var.profile != null",
        ),
        r'unseen: variable "profile": \+   condition',
    ),
    "the state is not locked": Mistake(
        in_("versions.tf", "use_lockfile = true", "use_lockfile = false"),
        r"unseen: terraform: \+   use_lockfile = false",
        "state",
    ),
    "any account is deployed to": Mistake(
        in_("providers.tf", "allowed_account_ids = var.account_ids", "allowed_account_ids = null"),
        r"unseen: provider \"aws\": \+ allowed_account_ids = null",
        "provider",
        r"'allowed_account_ids': 'null'",
    ),
    "nothing of ours is compared with the registry": Mistake(
        in_("dashboard.tf", "if metric.namespace == local.own\n", 'if metric.namespace == ""\n'),
        r"unseen: .*\+ local.own_metrics = ",
    ),
    # Values that are written out instead of read
    "a region that is written out": Mistake(
        in_("streams.tf", "  batch_size  ", '  region = "eu-central-1"\n  batch_size  '),
        r'event_source_mapping.*\+ (\+ )?region = "eu-central-1"',
    ),
    "an account that is written out": Mistake(
        in_("schedules.tf", '"aws:SourceAccount" = local.account', '"aws:SourceAccount" = "123456789012"'),
        r'aws_iam_role.scheduler.*"aws:SourceAccount": "123456789012"',
        "roles",
    ),
    # Environments
    "dev is in another region": Mistake(
        in_("environments/dev.tfvars", '"eu-central-1"', '"us-west-2"'), r"dev: .*us-west-2"
    ),
    "staging has no alarms": Mistake(
        in_("environments/staging.tfvars", '"full"', '"minimal"'), r"staging: aws_sns_topic.alarms\[0\]"
    ),
}
