"""Makes a running gateway use another table in place of one, as Terraform's variable table_names does on AWS."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from tools.local.deploy import ALIAS, Deployer, Deployment
from tools.manifest import Manifest
from tools.manifest.names import Called, statements

VARIABLE = "GATEWAY_TABLE_NAMES"


def adopt(deployer: Deployer, manifest: Manifest, deployment: Deployment, table: str, name: str) -> dict[str, str]:
    """Let every function use the table `name` for `table`: change its environment, rights and the stream that it reads.
    First set what a restore leaves out of a table: stream, expiry, recovery. Returns the names of all such tables."""
    names = replace(deployer.names, tables={**deployer.names.tables, table: name})
    said = ",".join(f"{key}={names.tables[key]}" for key in sorted(names.tables))
    _completed(deployer.client("dynamodb"), manifest, table, name)
    functions, iam = deployer.client("lambda"), deployer.client("iam")
    for folder, function in deployment.functions.items():
        config = functions.get_function_configuration(FunctionName=function)
        variables: dict[str, str] = config["Environment"]["Variables"] | {VARIABLE: said}
        rights = statements(manifest, folder, names, Called.of(variables))
        document = json.dumps({"Version": "2012-10-17", "Statement": rights})
        iam.put_role_policy(RoleName=function, PolicyName="rights", PolicyDocument=document)
        functions.update_function_configuration(FunctionName=function, Environment={"Variables": variables})
        version = functions.publish_version(FunctionName=function)["Version"]
        functions.update_alias(FunctionName=function, Name=ALIAS, FunctionVersion=version)
    _consumers(deployer, manifest, deployment, table, name)
    return dict(names.tables)


def _completed(dynamodb: Any, manifest: Manifest, table: str, name: str) -> None:
    described = manifest.tables[table]
    found = dynamodb.describe_table(TableName=name)["Table"]
    if described.stream and not found.get("StreamSpecification", {}).get("StreamEnabled"):
        stream = {"StreamEnabled": True, "StreamViewType": described.stream}
        dynamodb.update_table(TableName=name, StreamSpecification=stream)
    if described.ttl:
        ttl = {"Enabled": True, "AttributeName": described.ttl}
        dynamodb.update_time_to_live(TableName=name, TimeToLiveSpecification=ttl)
    recovery = {"PointInTimeRecoveryEnabled": True}
    dynamodb.update_continuous_backups(TableName=name, PointInTimeRecoverySpecification=recovery)


def _consumers(deployer: Deployer, manifest: Manifest, deployment: Deployment, table: str, name: str) -> None:
    """An event source mapping names its stream. So another table needs another mapping, from the stream's beginning."""
    functions = deployer.client("lambda")
    for folder, described in manifest.functions.items():
        if described.event is None or described.event.stream != table:
            continue
        function = deployer.names.arn("lambda", f"function:{deployment.functions[folder]}:{ALIAS}")
        for mapping in functions.list_event_source_mappings()["EventSourceMappings"]:
            if mapping["FunctionArn"] == function:
                functions.delete_event_source_mapping(UUID=mapping["UUID"])
        deployer.read_stream(folder, described.event, deployment, name)
