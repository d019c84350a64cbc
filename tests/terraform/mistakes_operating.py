"""More deliberate mistakes: in the parts that watch, limit and upgrade a deployment. See mistakes.py."""

from __future__ import annotations

from tests.terraform.mistakes import Mistake, in_

OPERATED: dict[str, Mistake] = {
    # Rights
    "a role without its boundary": Mistake(
        in_(
            "schedules.tf",
            "  permissions_boundary = var.permissions_boundary_arn\n",
            "  permissions_boundary = null\n",
        ),
        r'options: aws_iam_role.scheduler\[0\]: - \+ permissions_boundary = "arn',
        "bounded",
        r"prod-scheduler: permissions_boundary is None",
    ),
    "a role outside of its path": Mistake(
        in_("modules/function/main.tf", "= var.iam_path", '= "/"'),
        r'options: module.function\["admin"\].aws_iam_role.this: .* path = "/"',
        "bounded",
        r"prod-admin: path is '/'",
    ),
    # Alarms
    "a count is taken for a share": Mistake(
        in_(
            "alarms.tf",
            '"Sum" }\n        calls  = { namespace = "AWS/ApiGateway", metric = "Count", dimensions = { ApiId',
            '"Average" }\n        calls  = { namespace = "AWS/ApiGateway", metric = "Count", dimensions = { ApiId',
        ),
        r'api-5xx"\]: \+ metric_query\["failed"\].metric\[0\].stat = "Average"',
        "alarms",
        r"api-5xx: looks at: .*'Average'",
    ),
    "an index refuses unseen": Mistake(
        in_("alarms.tf", "keys(local.table_keys[key].indexes)", "[]"),
        r'api-keys-table-throttles"\]: - metric_query\["reads_by_created"\]',
        "alarms",
        r"api-keys-table-throttles: looks at: ",
    ),
    "one refusal wakes somebody": Mistake(
        in_("alarms.tf", "      datapoints  = 2\n", "      datapoints  = 1\n"),
        r'limits-table-throttles"\]: \+ datapoints_to_alarm = 1',
        "alarms",
        r"limits-table-throttles: datapoints_to_alarm is 1,",
    ),
    "less is promised": Mistake(
        in_("slo.tf", "availability = 99.9", "availability = 99"),
        r'1h-slo-availability"\]: \+ threshold = 14.4',
        "alarms",
        r"1h-slo-availability: its threshold 14.4",
    ),
    "either window alone wakes somebody": Mistake(
        in_("slo.tf", '" AND "', '" OR "'), r"composite_alarm.slo.*\+ alarm_rule = .*OR ALARM", "objectives"
    ),
    "the error budget burns and nobody is told": Mistake(
        in_("slo.tf", "  ok_actions        = [aws_sns_topic.alarms[0].arn]", "  ok_actions        = []"),
        r"composite_alarm.slo.*\+ ok_actions = \[\]",
        "told",
        r"prod-slo-availability: ok_actions: \[\], not",
    ),
    "each window wakes somebody": Mistake(
        in_("alarms.tf", "told = try(alarm.told, true)", "told = true"),
        r'5m-slo-latency"\]: \+ alarm_actions = \["arn',
        "told",
        r"1h-slo-availability: alarm_actions: \['arn.*\], not \[\]",
    ),
    "nobody need hear the alarms": Mistake(
        in_("checks.tf", "!local.full || var.alarm_email != null", "local.full || var.alarm_email != null || true"),
        r'unseen: check "alarms_reach_somebody": \+',
        "preflight",
        r"always holds: local.full \|\|",
    ),
    # Dashboard and queries
    "a line is drawn elsewhere than the alarm is": Mistake(
        in_("dashboard.tf", "value = local.own_part_ms,", "value = 3000,"),
        r"\+ dashboard_body.*3000",
        "dashboard",
        r"dashboard: lines: .*own time per paid call\": \[3000\]",
    ),
    "a chart without a unit": Mistake(
        in_("dashboard.tf", "label = chart.unit,", 'label = "",'),
        r'\+ dashboard_body.*label.*""',
        "dashboard",
        r"Answers of the API has no unit",
    ),
    "each route's metrics are billed": Mistake(
        in_(
            "api.tf",
            "default_route_settings {\n    detailed_metrics_enabled = var.detailed_route_metrics",
            "default_route_settings {\n    detailed_metrics_enabled = true",
        ),
        r"\+ default_route_settings\[0\].detailed_metrics_enabled = true",
        "throttling",
        r"detailed_metrics_enabled is True",
    ),
    "nobody knows what Lambda told the API": Mistake(
        in_("api.tf", '    integration_error = "$context.integrationErrorMessage"\n', ""),
        r"- access_log_settings\[0\].format\{\}.integration_error",
        "access_log",
    ),
    # Capacity and upgrades
    "calls may take every execution": Mistake(
        in_("checks.tf", "key => count if local.concurrency >= 400", "key => count if local.concurrency >= 4000"),
        r'options: module.function\["health"\].*reserved_concurrent_executions = -1',
        "capacity",
    ),
    "more is reserved than AWS allows": Mistake(
        in_("checks.tf", "<= local.concurrency - 100", "<= local.concurrency"),
        r'unseen: resource "terraform_data" "preflight": \+ .*<= local.concurrency\b',
    ),
    "an integration goes before its routes": Mistake(
        in_(
            "api.tf",
            "* 1000 + 500, 30000)\n\n  lifecycle {\n    create_before_destroy = true\n  }\n",
            "* 1000 + 500, 30000)\n",
        ),
        r'unseen: resource "aws_apigatewayv2_integration" "this": - .*create_before_destroy',
        "attributes",
        r"does not set lifecycle.create_before_destroy",
    ),
}
