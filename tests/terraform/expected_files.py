"""The allowed contents of Terraform's files, written down a second time: see expected.py. No plan is read, because a
plan shows neither where a state is stored nor which changes Terraform must ignore."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from tests.terraform.expected import must, same
from tests.terraform.expected_zips import zips
from tools.golden.plan import Sources
from tools.hcl import Body

Reader = Callable[[Path], Iterator[str]]
FOLDERS = ("", "modules/function", "modules/table")
META = {"count", "for_each", "depends_on"}
# Everything that is set for each kind of resource, in every environment. Anything else keeps the provider's default: no
# policy except the role's own, no limit on a table's writes, no input of a schedule, no log level that drops the
# metrics.
SET = {
    "aws_api_gateway_account": "cloudwatch_role_arn",
    "aws_api_gateway_deployment": "description rest_api_id triggers lifecycle(create_before_destroy)",
    "aws_api_gateway_gateway_response": "response_parameters response_templates response_type rest_api_id status_code",
    "aws_api_gateway_integration": "http_method integration_http_method resource_id response_transfer_mode rest_api_id"
    " timeout_milliseconds type uri",
    "aws_api_gateway_method": "authorization http_method resource_id rest_api_id",
    "aws_api_gateway_method_settings": "method_path rest_api_id stage_name settings(data_trace_enabled logging_level"
    " metrics_enabled throttling_burst_limit throttling_rate_limit)",
    "aws_api_gateway_resource": "parent_id path_part rest_api_id",
    "aws_api_gateway_rest_api": "description disable_execute_api_endpoint name endpoint_configuration(ip_address_type"
    " types vpc_endpoint_ids)",
    "aws_api_gateway_rest_api_policy": "policy rest_api_id",
    "aws_api_gateway_stage": "deployment_id description rest_api_id stage_name xray_tracing_enabled"
    " access_log_settings(destination_arn format)",
    "aws_apigatewayv2_api": "description disable_execute_api_endpoint name protocol_type"
    " cors_configuration(allow_headers allow_methods allow_origins expose_headers max_age)",
    "aws_apigatewayv2_api_mapping": "api_id api_mapping_key domain_name stage",
    "aws_apigatewayv2_authorizer": "api_id authorizer_payload_format_version authorizer_result_ttl_in_seconds"
    " authorizer_type authorizer_uri enable_simple_responses identity_sources name lifecycle(create_before_destroy)",
    "aws_apigatewayv2_domain_name": "domain_name"
    " domain_name_configuration(certificate_arn endpoint_type security_policy)",
    "aws_apigatewayv2_integration": "api_id description integration_type integration_uri payload_format_version"
    " timeout_milliseconds lifecycle(create_before_destroy)",
    "aws_apigatewayv2_route": "api_id authorization_type authorizer_id route_key target",
    "aws_apigatewayv2_stage": "api_id auto_deploy description name access_log_settings(destination_arn format)"
    " default_route_settings(detailed_metrics_enabled throttling_burst_limit throttling_rate_limit)"
    " route_settings(detailed_metrics_enabled route_key throttling_burst_limit throttling_rate_limit)",
    "aws_backup_plan": "name rule(completion_window rule_name schedule start_window target_vault_name)"
    " rule.copy_action(destination_vault_arn) rule.copy_action.lifecycle(delete_after) rule.lifecycle(delete_after)",
    "aws_backup_selection": "iam_role_arn name plan_id resources",
    "aws_backup_vault": "kms_key_arn name",
    "aws_backup_vault_lock_configuration": "backup_vault_name changeable_for_days min_retention_days",
    "aws_cloudwatch_composite_alarm": "alarm_actions alarm_description alarm_name alarm_rule ok_actions",
    "aws_cloudwatch_dashboard": "dashboard_body dashboard_name",
    "aws_cloudwatch_log_group": "kms_key_id name retention_in_days",
    "aws_cloudwatch_metric_alarm": "alarm_actions alarm_description alarm_name comparison_operator dimensions"
    " datapoints_to_alarm evaluation_periods extended_statistic metric_name namespace ok_actions period statistic"
    " threshold"
    " treat_missing_data metric_query(expression id label return_data)"
    " metric_query.metric(dimensions metric_name namespace period stat)",
    "aws_cloudwatch_query_definition": "log_group_names name query_string",
    "aws_dynamodb_table": "billing_mode deletion_protection_enabled hash_key name range_key stream_enabled"
    " stream_view_type attribute(name type) global_secondary_index(hash_key name projection_type range_key)"
    " point_in_time_recovery(enabled) server_side_encryption(enabled kms_key_arn) ttl(attribute_name enabled)",
    "aws_iam_role": "assume_role_policy description name path permissions_boundary",
    "aws_iam_role_policy": "name policy role",
    "aws_iam_role_policy_attachment": "policy_arn role",
    "aws_lambda_alias": "description function_name function_version name",
    "aws_lambda_event_source_mapping": "batch_size bisect_batch_on_function_error event_source_arn function_name"
    " function_response_types maximum_batching_window_in_seconds maximum_record_age_in_seconds maximum_retry_attempts"
    " starting_position destination_config.on_failure(destination_arn) filter_criteria.filter(pattern)",
    "aws_lambda_function": "architectures description filename function_name handler kms_key_arn layers memory_size"
    " publish reserved_concurrent_executions role runtime s3_bucket s3_key source_code_hash timeout"
    " environment(variables) logging_config(log_format log_group) snap_start(apply_on) tracing_config(mode)",
    "aws_lambda_function_event_invoke_config": "function_name maximum_event_age_in_seconds maximum_retry_attempts"
    " qualifier",
    "aws_lambda_layer_version": "compatible_architectures compatible_runtimes filename layer_name s3_bucket s3_key"
    " source_code_hash",
    "aws_lambda_permission": "action function_name principal qualifier source_arn statement_id",
    "aws_lambda_provisioned_concurrency_config": "function_name provisioned_concurrent_executions qualifier",
    "aws_scheduler_schedule": "description kms_key_arn name schedule_expression flexible_time_window(mode)"
    " target(arn role_arn) target.retry_policy(maximum_event_age_in_seconds maximum_retry_attempts)",
    "aws_secretsmanager_secret": "description kms_key_id name recovery_window_in_days",
    "aws_sns_topic": "kms_master_key_id name",
    "aws_sns_topic_subscription": "endpoint protocol topic_arn",
    "aws_sqs_queue": "kms_data_key_reuse_period_seconds kms_master_key_id message_retention_seconds name"
    " sqs_managed_sse_enabled",
    "aws_wafv2_web_acl_association": "resource_arn web_acl_arn",
    "terraform_data": "input lifecycle.precondition(condition error_message)",
}
DATA_SOURCES = {"aws_caller_identity", "aws_partition", "aws_servicequotas_service_quota"}
# Nothing is moved, removed or imported: that would change a deployment without a resource that shows it.
BLOCKS = {"check", "data", "locals", "module", "output", "provider", "resource", "terraform", "variable"}


def attributes(terraform: Path) -> Iterator[str]:
    """A reader expects all attributes that are set. There is no life cycle, provisioner or time-out except the
    conditions of the preflight."""
    sources = Sources(terraform)
    for block in (block for folder in FOLDERS for block in sources.module(folder).of("resource")):
        expected = set(_expected(SET.get(block.labels[0], "")))
        found = set(_paths(block.body, "")) - META
        for path in sorted(found - expected):
            yield f"{'.'.join(block.labels)}: sets {path}, which expected_files.py does not list"
        for path in sorted(expected - found):
            yield f"{'.'.join(block.labels)}: does not set {path}, which expected_files.py lists"


# Values that AWS chooses and changes must be read. Today's value, written out, would be correct in a plan and never
# change again.
WIRED = {
    ("aws_api_gateway_deployment", "triggers"): "aws_api_gateway_rest_api_policy.stream",
    ("aws_api_gateway_integration", "uri"): "module.function[local.streaming].alias_arn",
    ("aws_api_gateway_stage", "deployment_id"): "aws_api_gateway_deployment.stream.id",
    ("aws_api_gateway_stage", "depends_on"): "[aws_api_gateway_account.this]",
    ("aws_wafv2_web_acl_association", "resource_arn"): "aws_api_gateway_stage.stream.arn",
    ("aws_apigatewayv2_authorizer", "authorizer_uri"): "module.function[local.authorizer].invoke_arn",
    ("aws_apigatewayv2_integration", "integration_uri"): "module.function[each.key].invoke_arn",
    ("aws_apigatewayv2_route", "authorizer_id"): "aws_apigatewayv2_authorizer.this[",
    ("aws_apigatewayv2_route", "target"): "aws_apigatewayv2_integration.this[",
    ("aws_apigatewayv2_stage", "api_id"): "aws_apigatewayv2_api.this.id",
    ("aws_cloudwatch_metric_alarm", "alarm_actions"): "[aws_sns_topic.alarms[0].arn]",
    ("aws_cloudwatch_composite_alarm", "alarm_actions"): "[aws_sns_topic.alarms[0].arn]",
    ("aws_lambda_alias", "function_version"): "aws_lambda_function.this.version",
    ("aws_lambda_event_source_mapping", "event_source_arn"): "module.table[each.value.event.stream].stream_arn",
    ("aws_lambda_function", "depends_on"): "[aws_iam_role_policy.this]",
    ("aws_lambda_function", "layers"): "var.layers",
    ("aws_lambda_function", "source_code_hash"): "var.package.hash",
    ("aws_lambda_layer_version", "depends_on"): "[terraform_data.preflight]",
    ("aws_lambda_permission", "source_arn"): (
        "${aws_apigatewayv2_api.this.execution_arn}/",
        "${aws_api_gateway_rest_api.stream.execution_arn}/",
    ),
    ("aws_scheduler_schedule", "target.arn"): "module.function[each.key].alias_arn",
    ("module", "layers"): "aws_lambda_layer_version.this[layer].arn",
    ("module", "package"): 'local.artifacts["${each.key}.zip"]',
}
IMPURE = ("timestamp(", "uuid(", "path.cwd", "pathexpand(", "abspath(")


def wired(terraform: Path) -> Iterator[str]:
    """Values that change are read at each apply. Nothing differs tomorrow or on another machine."""
    sources, asked = Sources(terraform), dict[tuple[str, str], str]()
    for block in (block for folder in FOLDERS for block in sources.module(folder).blocks):
        kind = block.labels[0] if block.kind == "resource" else block.kind
        texts = dict(_texts(block.body, ""))
        if kind != "module" or block.labels == ("function",):
            for name, text in texts.items():
                asked[kind, name] = f"{asked.get((kind, name), '')}\n{text}"
        for name, text in texts.items():
            if any(word in text for word in IMPURE):
                yield f"{kind}: {name} is not the same tomorrow, or elsewhere: {text}"
    for (kind, name), wanted in WIRED.items():
        for reference in [wanted] if isinstance(wanted, str) else wanted:
            if reference not in asked.get((kind, name), ""):
                yield f"{kind}: {name} does not ask for {reference}"


def blocks(terraform: Path) -> Iterator[str]:
    sources = Sources(terraform)
    for folder in FOLDERS:
        module = sources.module(folder)
        if others := {block.kind for block in module.blocks} - BLOCKS:
            yield f"{folder or 'terraform'}: nobody expects the blocks {sorted(others)}"
    root = sources.module("")
    yield from same("data sources", {block.labels[0] for block in root.of("data")}, DATA_SOURCES)
    called = {block.body.attributes["source"] for block in root.of("module")}
    yield from same("modules", called, {'"./modules/function"', '"./modules/table"'})
    for block in root.of("module"):
        if others := {"provider", "providers", "version"} & set(block.body.attributes):
            yield f"module {block.labels[0]}: has {sorted(others)}"
    if overrides := sorted(
        path.name for path in terraform.rglob("*override.tf*") if path.name != "backend_override.tf"
    ):
        yield f"overrides, which a review overlooks: {sorted(overrides)}"
    if given := sorted(path.name for path in terraform.glob("*.tfvars*")):
        yield f"variables that Terraform reads unasked: {given}"


def state(terraform: Path) -> Iterator[str]:
    """Each workspace's state is in a bucket: encrypted, locked, and always under one key."""
    root = Sources(terraform).module("")
    (block,) = root.of("terraform")
    kept = [(each.labels, each.body.attributes) for each in block.body.of("backend")]
    wanted = {"key": '"ai-gateway/terraform.tfstate"', "encrypt": "true", "use_lockfile": "true"}
    yield from same("backend", kept, [(("s3",), wanted)])
    yield from same("terraform: blocks", {each.kind for each in block.body.blocks}, {"backend", "required_providers"})
    for folder in FOLDERS:
        (block,) = Sources(terraform).module(folder).of("terraform")
        (providers,) = block.body.of("required_providers")
        aws = '{ source = "hashicorp/aws" version = ">= 6.25, < 7" }'
        yield from same(f"{folder or 'terraform'}: providers", providers.body.attributes, {"aws": aws})
        yield from must(folder or "terraform", block.body.attributes, required_version='">= 1.11"')


def provider(terraform: Path) -> Iterator[str]:
    """Terraform deploys to the region and the account that the variables allow, with AWS's own checks unless an
    emulator is used."""
    root = Sources(terraform).module("")
    (block,) = root.of("provider")
    wanted = {"region": "var.region", "allowed_account_ids": "var.account_ids"}
    skipped = ("skip_credentials_validation", "skip_metadata_api_check", "skip_requesting_account_id")
    wanted |= dict.fromkeys(skipped, "local.emulated")
    yield from same("provider", block.body.attributes, wanted)
    kinds = [each.labels[0] if each.labels else each.kind for each in block.body.blocks]
    yield from same("provider: blocks", sorted(kinds), ["assume_role", "default_tags", "endpoints"])
    known = {name: text for each in root.of("locals") for name, text in each.body.attributes.items()}
    asked = {"emulated": "var.emulator_endpoint != null"}
    asked |= {"account": "data.aws_caller_identity.current.account_id"}
    asked |= {"partition": "data.aws_partition.current.partition"}
    yield from must("local", known, **asked)
    for each in block.body.of("dynamic"):
        variable = {"assume_role": "var.deploy_role_arn[*]", "endpoints": "var.emulator_endpoint[*]"}[each.labels[0]]
        yield from must(each.labels[0], each.body.attributes, for_each=variable)


def preflight(terraform: Path) -> Iterator[str]:
    """There are no fewer conditions than before, and none that is true for every input."""
    root = Sources(terraform).module("")
    conditions = [
        condition.body.attributes["condition"]
        for block in root.of("resource")
        for life in block.body.of("lifecycle")
        for condition in life.body.of("precondition")
    ]
    if len(conditions) < 19:
        yield f"preflight: {len(conditions)} conditions, there were 19"
    for block in (block for folder in FOLDERS for block in Sources(terraform).module(folder).of("variable")):
        conditions += [each.body.attributes["condition"] for each in block.body.of("validation")]
    for block in root.of("check"):
        conditions += [each.body.attributes["condition"] for each in block.body.of("assert")]
    if len(conditions) < 63:
        yield f"preflight, variables and checks: {len(conditions)} conditions, there were 63"
    for condition in conditions:
        asks = any(word in condition for word in ("var.", "local."))
        if not asks or any(word in condition for word in ("|| true", "true ||", ">= 0")):
            yield f"a condition that always holds: {condition}"


def _expected(text: str) -> Iterator[str]:
    """Of " a b(c d)": the paths a, b.c and b.d."""
    prefix = ""
    for word in text.replace("(", "( ").replace(")", " )").split():
        if word.endswith("("):
            prefix = f"{word[:-1]}."
        elif word == ")":
            prefix = ""
        else:
            yield prefix + word


def _texts(body: Body, prefix: str) -> Iterator[tuple[str, str]]:
    yield from ((prefix + name, text) for name, text in body.attributes.items())
    for block in body.blocks:
        yield from _texts(block.body, f"{prefix}{block.kind}.")


def _paths(body: Body, prefix: str) -> Iterator[str]:
    yield from (prefix + name for name in body.attributes)
    for block in body.blocks:
        if block.kind == "dynamic":
            for content in block.body.of("content"):
                yield from _paths(content.body, f"{prefix}{block.labels[0]}.")
        else:
            inner = [*_paths(block.body, f"{prefix}{block.kind}.")]
            yield from inner or [prefix + block.kind]


_ALL: tuple[Reader, ...] = (attributes, wired, blocks, state, provider, preflight, zips)
FILES: dict[str, Reader] = {each.__name__: each for each in _ALL}
