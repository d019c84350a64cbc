"""More deliberate mistakes: those that today's plan hides, and attributes that nobody had set before. See
mistakes.py."""

from __future__ import annotations

from tests.terraform.mistakes import FUNCTION, TABLE, Change, Mistake, in_

QUIET: dict[str, Mistake] = {
    "a table's rights in an account that is written out": Mistake(
        in_("locals.tf", "dynamodb:${var.region}:${local.account}:table", "dynamodb:${var.region}:000000000000:table"),
        r'\["admin"\].aws_iam_role_policy.*\+ policy.*:000000000000:table',
        "rights",
        r"prod-admin: may dynamodb:\w+ \S+:000000000000:table/ai-gateway-prod-api-keys$",
    ),
    "a partition that is written out": Mistake(
        in_("providers.tf", "partition = data.aws_partition.current.partition", 'partition = "aws"'),
        r"options: .*\+ .*arn:aws:",
        "provider",
        r"""local: partition is '"aws"'""",
    ),
    "the layers stay those of today": Mistake(
        in_(
            "functions.tf",
            "aws_lambda_layer_version.this[layer].arn]",
            '"${aws_lambda_layer_version.this[layer].layer_arn}:1"]',
        ),
        "",
        "wired",
        r"layers does not ask for",
    ),
    # More rights than needed, and attributes that nobody had set before
    "the public function reads the keys": Mistake(
        Change(
            "functions/health/function.json",
            '{"state": {"Query": ["health"]}}',
            '{"state": {"Query": ["health"]}, "api-keys": ["GetItem"]}',
        ),
        r'\["health"\].*\+ policy.*TableApiKeys',
        "rights",
        r"prod-health: may dynamodb:GetItem \S+:table/ai-gateway-prod-api-keys",
    ),
    "completions may write the config": Mistake(
        Change("functions/completions/function.json", '["idempotency#*", "session-secrets"]', '["config"]'),
        r'\["completions"\].*\+ policy.*TableStatePutItem.*: \["config"\]',
        "rights",
        r"prod-completions: rights with a condition: .*:PutItem on [^}]*: \['config'\]",
    ),
    "a partition is left out": Mistake(
        Change("functions/analytics/function.json", '["alert#*", "parked"]', '["alert#*"]'),
        r'\["analytics"\].*\+ policy.*TableStatePutItem.*: \["alert#\*"\]',
        "rights",
        r"prod-analytics: rights with a condition: .*:PutItem on [^}]*: \['alert#\*'\]",
    ),
    "a right on all partitions again": Mistake(
        in_("iam.tf", "Partitions = partitions", "Partitions = null"),
        r'\["admin"\].*\+ policy.*\["TableStatePutItem"\] = {"Action"',
        "rights",
        r"prod-admin: may dynamodb:\S+ \S+:table/ai-gateway-prod-state$",
        hides=("completions may write the config", "a partition is left out", "a call without a partition passes"),
    ),
    "a right by a wildcard": Mistake(
        in_("iam.tf", '[for action in sort(actions) : "dynamodb:${action}"]', '["dynamodb:*"]'),
        r"\+ policy.*dynamodb:\*",
        "rights",
        r"prod-admin: may dynamodb:\* ",
        hides=(
            "a table's rights in an account that is written out",
            "the public function reads the keys",
            "completions may write the config",
            "a partition is left out",
        ),
    ),
    "a call without a partition passes": Mistake(
        in_(FUNCTION, '{ "dynamodb:LeadingKeys" = "false" }', '{ "dynamodb:LeadingKeys" = "true" }'),
        r'\["admin"\].*\+ policy.*"Null": {"dynamodb:LeadingKeys": "true"}',
        "rights",
        r"prod-admin: rights with a condition: .*'Null': {'dynamodb:LeadingKeys': 'true'}",
    ),
    "alerts go to whichever topic": Mistake(
        Change("functions/analytics/function.json", "{account}:{prefix}-budgets", "{account}:*"),
        r'\["analytics"\].*\+ policy.*Named0.*:\*"',
        "rights",
        r"prod-analytics: may sns:Publish \S+:\*$",
    ),
    "a role has more than its policy": Mistake(
        in_(
            FUNCTION,
            '  description          = "Execution role of the function ${var.name}"\n',
            '  description = "Role"\n  managed_policy_arns = ["arn:aws:iam::aws:policy/AdministratorAccess"]\n',
        ),
        r"aws_iam_role.this: \+ managed_policy_arns",
        "attributes",
        r"aws_iam_role.this: sets managed_policy_arns",
    ),
    "metrics are dropped with the level of logs": Mistake(
        in_(FUNCTION, '    log_format = "JSON"\n', '    log_format = "JSON"\n    application_log_level = "ERROR"\n'),
        r'\+ logging_config\[0\].application_log_level = "ERROR"',
        "attributes",
        r"sets logging_config.application_log_level",
    ),
    "one write a second for everybody": Mistake(
        in_(
            TABLE,
            '"PAY_PER_REQUEST"\n',
            '"PAY_PER_REQUEST"\n  on_demand_throughput {\n    max_write_request_units = 1\n  }\n',
        ),
        r"\+ on_demand_throughput\[0\].max_write_request_units = 1",
        "tables",
        r"on_demand_throughput is \[.*'max_write_request_units': 1}\]",
    ),
    "the past is kept for a day": Mistake(
        in_(TABLE, "= var.point_in_time_recovery\n", "= var.point_in_time_recovery\n    recovery_period_in_days = 1\n"),
        r"\+ point_in_time_recovery\[0\].recovery_period_in_days = 1",
        "protection",
        r"recovery_period_in_days is 1,",
    ),
    "the door to retries is shut": Mistake(
        in_(
            "api.tf",
            '"AWS_PROXY"\n',
            '"AWS_PROXY"\n  request_parameters = { "remove:header.idempotency-key" = "\'\'" }\n',
        ),
        r"integration.this.*\+ request_parameters",
        "attributes",
        r"aws_apigatewayv2_integration.this: sets request_parameters",
    ),
    "a custom domain opens the doors": Mistake(
        in_("api.tf", 'access == "public" ? null', 'access == "public" || var.custom_domain != null ? null'),
        r"options: aws_apigatewayv2_route.this.*authorizer_id = null",
        "doors",
    ),
    "fields are not passed on": Mistake(
        in_("functions.tf", 'join(",", var.openai_pass_fields)', '""'),
        r"options: .*OPENAI_PASS_FIELDS",
        "variables",
    ),
    "the layers' checksum is another zip's": Mistake(
        in_(
            "layers.tf",
            "hash\n  compatible_runtimes",
            'hash == "" ? "" : local.artifacts["health.zip"].hash\n  compatible_runtimes',
        ),
        r"layer_version.*\+ source_code_hash = \(SHA-256 of health.zip\)",
        "layers",
        r"checksum: source_code_hash is",
    ),
    # More mistakes that no plan shows
    "the state lies where another's does": Mistake(
        in_("versions.tf", '"ai-gateway/terraform.tfstate"', '"terraform.tfstate"'),
        r'unseen: terraform: \+   key = "terraform.tfstate"',
        "state",
    ),
    "a resource is let go": Mistake(
        in_(
            "secrets.tf",
            "locals {\n  # Providers for",
            "removed {\n  from = aws_sqs_queue.old\n  lifecycle {\n    destroy = false\n  }\n}\n"
            "locals {\n  # Providers for",
        ),
        r"unseen: removed",
        "blocks",
    ),
    "a condition that always holds": Mistake(
        in_("checks.tf", "length(local.unknown_tables) == 0", "length(local.unknown_tables) >= 0"),
        r"unseen: resource \"terraform_data\" \"preflight\": \+ +condition = length\(local.unknown_tables\) >= 0",
        "preflight",
        r"always holds: length\(local.unknown_tables\)",
    ),
    # Environments
    "prod's workspace is not compared": Mistake(
        in_(
            "environments/prod.tfvars",
            'profile            = "full"\n',
            'profile            = "full"\nworkspace_per_environment = false\n',
        ),
        r"unseen: environments/prod.tfvars: \+ workspace_per_environment = false",
        "given",
    ),
    "no load is expected": Mistake(
        in_("environments/prod.tfvars", "{ free = 100, basic = 20, premium = 2 }", "{}"),
        r"unseen: environments/prod.tfvars: \+ expected_load",
    ),
}
