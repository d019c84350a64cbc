"""Deploys a manifest through boto3 to anything with AWS's APIs, such as MiniStack or LocalStack."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from botocore.config import Config

from tools.build import BuildResult
from tools.manifest import Function, Manifest, Names, Table
from tools.manifest.model import Event
from tools.manifest.names import Called, statements, variables

ALIAS = "live"
HOST_VARIABLE = "MINISTACK_LAMBDA_PROXY_URL"  # MiniStack forwards a function's invocations to this address
AUTHORIZERS = {"api-key": "$request.header.X-API-Key", "bearer": "$request.header.Authorization"}
_LOG_DAYS = 7
# An emulator answers only after it has ended a function's fifty workers. A retry would only make it slower.
_PATIENT = Config(read_timeout=300, retries={"max_attempts": 0})

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a deployment: values of environment variables, secrets by provider, extra rights.

    `overrides` are further variables by function, which a test or a local mode needs. MiniStack forwards the functions'
    invocations to `host_url`. It is None if the emulator runs the functions itself.
    """

    values: Mapping[str, str]
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    overrides: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    api_id: str | None = None
    host_url: str | None = None


@dataclass(slots=True)
class Deployment:
    """The resources of a deployment: enough to call it, change it and remove it."""

    names: Names
    api_id: str
    functions: dict[str, str]
    tables: dict[str, str]
    layers: dict[str, str]
    queues: dict[str, str] = field(default_factory=dict)
    sources: list[str] = field(default_factory=list)
    rules: list[str] = field(default_factory=list)


class AwsSession(Protocol):
    """A session of boto3, or of localstack-client, which knows the emulator's endpoints."""

    region_name: str

    def client(self, service_name: str, *, config: Config) -> Any: ...


class Deployer:
    """Makes one deployment at a time, with the clients of a session."""

    def __init__(
        self,
        session: AwsSession,
        manifest: Manifest,
        environment: str,
        progress: Progress = lambda step: None,
    ) -> None:
        self._session = session
        self._manifest = manifest
        self._progress = progress
        account = self.client("sts").get_caller_identity()["Account"]
        self.names = Names(environment, region=session.region_name, account=account)

    def client(self, service: str) -> Any:
        return self._session.client(service, config=_PATIENT)

    def deploy(self, built: BuildResult, options: Options) -> Deployment:
        """Make everything. Fails if any of it already exists: a deployment starts from nothing."""
        self._progress(f"{len(self._manifest.tables)} tables")
        tables = {name: self._table(name, table) for name, table in self._manifest.tables.items()}
        self._progress("secrets, topic and layers")
        self.client("sns").create_topic(Name=self.names.budget_topic.rpartition(":")[2])
        for provider, value in options.secrets.items():
            self.client("secretsmanager").create_secret(Name=self.names.secret(provider), SecretString=value)
        layers = {name: self._layer(name, built) for name in ("layer-dependencies", "layer-gateway")}
        deployment = Deployment(self.names, "", {}, tables, layers)
        for folder, function in self._manifest.functions.items():
            self._progress(f"function {folder}")
            deployment.functions[folder] = self._function(folder, function, built, deployment, options)
            self._event(folder, function, deployment)
        self._progress(f"HTTP API with {len(self._manifest.routes())} routes")
        deployment.api_id = self._api(deployment, options.api_id)
        return deployment

    def redeploy(self, built: BuildResult, deployment: Deployment, changed: set[str]) -> None:
        """Deploy changed artifacts: the gateway layer for all functions, or a function's own code."""
        functions = self.client("lambda")
        if "layer-gateway" in changed or "layer-dependencies" in changed:
            for layer in changed & {"layer-dependencies", "layer-gateway"}:
                deployment.layers[layer] = self._layer(layer, built)
        for folder, name in deployment.functions.items():
            if folder in changed:
                functions.update_function_code(FunctionName=name, ZipFile=built.path(folder).read_bytes())
            if changed & {folder, "layer-dependencies", "layer-gateway"}:
                functions.update_function_configuration(FunctionName=name, Layers=list(deployment.layers.values()))
                version = functions.publish_version(FunctionName=name)["Version"]
                functions.update_alias(FunctionName=name, Name=ALIAS, FunctionVersion=version)

    def remove(self, deployment: Deployment) -> None:
        """Remove the whole deployment."""
        functions = self.client("lambda")
        self.client("apigatewayv2").delete_api(ApiId=deployment.api_id)
        for source in deployment.sources:
            functions.delete_event_source_mapping(UUID=source)
        for rule in deployment.rules:
            self.client("events").remove_targets(Rule=rule, Ids=["function"])
            self.client("events").delete_rule(Name=rule)
        for queue in deployment.queues.values():
            self.client("sqs").delete_queue(QueueUrl=queue)
        self.client("sns").delete_topic(TopicArn=self.names.budget_topic)
        for name in deployment.functions.values():
            functions.delete_function(FunctionName=name)
            self.client("logs").delete_log_group(logGroupName=f"/aws/lambda/{name}")
            self.client("iam").delete_role_policy(RoleName=name, PolicyName="rights")
            self.client("iam").delete_role(RoleName=name)
        for table in deployment.tables.values():
            self.client("dynamodb").delete_table(TableName=table)

    def _table(self, name: str, table: Table) -> str:
        real = self.names.table(name)
        dynamodb = self.client("dynamodb")
        dynamodb.create_table(**table_request(real, table))
        dynamodb.get_waiter("table_exists").wait(TableName=real, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
        dynamodb.update_continuous_backups(
            TableName=real, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
        )
        if table.ttl:
            ttl = {"Enabled": True, "AttributeName": table.ttl}
            dynamodb.update_time_to_live(TableName=real, TimeToLiveSpecification=ttl)
        return real

    def _layer(self, name: str, built: BuildResult) -> str:
        answer = self.client("lambda").publish_layer_version(
            LayerName=f"{self.names.prefix}-{name.removeprefix('layer-')}",
            Content={"ZipFile": built.path(name).read_bytes()},
            CompatibleRuntimes=[f"python{built.target.python}"],
        )
        arn: str = answer["LayerVersionArn"]
        return arn

    def _function(
        self, folder: str, function: Function, built: BuildResult, deployment: Deployment, options: Options
    ) -> str:
        name = self.names.function(folder, function)
        logs = self.client("logs")
        logs.create_log_group(logGroupName=f"/aws/lambda/{name}")
        logs.put_retention_policy(logGroupName=f"/aws/lambda/{name}", retentionInDays=_LOG_DAYS)
        environment = variables(self._manifest, folder, options.values) | dict(options.overrides.get(folder, {}))
        if options.host_url:
            environment |= {HOST_VARIABLE: options.host_url}
        functions = self.client("lambda")
        functions.create_function(
            FunctionName=name,
            Description=function.description,
            Runtime=f"python{built.target.python}",
            Role=self._role(folder, name, Called.of(environment)),
            Handler=function.handler,
            Code={"ZipFile": built.path(folder).read_bytes()},
            MemorySize=function.memory,
            Timeout=function.timeout,
            Layers=list(deployment.layers.values()),
            Environment={"Variables": environment},
            TracingConfig={"Mode": "Active"},
        )
        # An emulator is ready almost at once, but the waiter checks again only after its full delay.
        functions.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.05})
        version = functions.publish_version(FunctionName=name)["Version"]
        functions.create_alias(FunctionName=name, Name=ALIAS, FunctionVersion=version)
        return name

    def _role(self, folder: str, name: str, called: Called) -> str:
        iam = self.client("iam")
        trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        role: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
        rights = {"Version": "2012-10-17", "Statement": statements(self._manifest, folder, self.names, called)}
        iam.put_role_policy(RoleName=name, PolicyName="rights", PolicyDocument=json.dumps(rights))
        return role

    def _event(self, folder: str, function: Function, deployment: Deployment) -> None:
        event = function.event
        if event is None:
            return
        name = deployment.functions[folder]
        if event.stream:
            queue = self.names.failure_queue(folder, function)
            deployment.queues[folder] = self.client("sqs").create_queue(QueueName=queue)["QueueUrl"]
            self.read_stream(folder, event, deployment, deployment.tables[event.stream])
        else:
            events = self.client("events")
            rule = events.put_rule(Name=name, ScheduleExpression=event.schedule, State="ENABLED")["RuleArn"]
            target = self.names.arn("lambda", f"function:{name}:{ALIAS}")
            self._permit(name, "schedule", "events.amazonaws.com", rule)
            events.put_targets(Rule=name, Targets=[{"Id": "function", "Arn": target}])
            deployment.rules.append(name)

    def read_stream(self, folder: str, event: Event, deployment: Deployment, table: str) -> None:
        """Let a function read a table's stream from the beginning. `table` is the table's real name."""
        name, queue = deployment.functions[folder], self.names.failure_queue(folder, self._manifest.functions[folder])
        stream = self.client("dynamodb").describe_table(TableName=table)
        source = self.client("lambda").create_event_source_mapping(
            EventSourceArn=stream["Table"]["LatestStreamArn"],
            FunctionName=self.names.arn("lambda", f"function:{name}:{ALIAS}"),
            StartingPosition="TRIM_HORIZON",
            BatchSize=event.batch_size,
            MaximumBatchingWindowInSeconds=event.batch_window,
            FilterCriteria={"Filters": [{"Pattern": json.dumps(pattern)} for pattern in event.filter]},
            FunctionResponseTypes=["ReportBatchItemFailures"],
            BisectBatchOnFunctionError=True,
            DestinationConfig={"OnFailure": {"Destination": self.names.arn("sqs", queue)}},
        )
        deployment.sources.append(source["UUID"])

    def _cors(self) -> dict[str, Any]:
        cors = self._manifest.cors
        return {
            "AllowOrigins": ["*"],
            "AllowMethods": self._manifest.methods(),
            "AllowHeaders": cors.allow_headers,
            "ExposeHeaders": cors.expose_headers,
            "MaxAge": cors.max_age,
        }

    def _api(self, deployment: Deployment, api_id: str | None) -> str:
        gateway = self.client("apigatewayv2")
        tags = {"Tags": {"ms-custom-id": api_id}} if api_id else {}
        api: str = gateway.create_api(
            Name=f"{self.names.prefix}-api", ProtocolType="HTTP", CorsConfiguration=self._cors(), **tags
        )["ApiId"]
        execution = self.names.arn("execute-api", api)
        authorizers = {kind: self._authorizer(gateway, api, kind, deployment) for kind in AUTHORIZERS}
        integrations: dict[str, str] = {}
        for route, (folder, auth) in self._manifest.routes().items():
            if folder not in integrations:
                integrations[folder] = self._integration(gateway, api, folder, deployment)
                name = deployment.functions[folder]
                self._permit(name, "api", "apigateway.amazonaws.com", f"{execution}/$default/*")
            check = {} if auth == "public" else {"AuthorizationType": "CUSTOM", "AuthorizerId": authorizers[auth]}
            gateway.create_route(ApiId=api, RouteKey=route, Target=f"integrations/{integrations[folder]}", **check)
        gateway.create_stage(ApiId=api, StageName="$default", AutoDeploy=True)
        return api

    def _authorizer(self, gateway: Any, api: str, kind: str, deployment: Deployment) -> str:
        folder = self._manifest.authorizer
        settings = self._manifest.functions[folder].authorizer
        ttl = settings.ttl if settings else 0
        answer = gateway.create_authorizer(
            ApiId=api,
            Name=kind,
            AuthorizerType="REQUEST",
            AuthorizerUri=self._invocation(deployment.functions[folder]),
            AuthorizerPayloadFormatVersion="2.0",
            EnableSimpleResponses=True,
            IdentitySource=[AUTHORIZERS[kind]],
            AuthorizerResultTtlInSeconds=ttl,
        )
        identifier: str = answer["AuthorizerId"]
        source = f"{self.names.arn('execute-api', api)}/authorizers/{identifier}"
        self._permit(deployment.functions[folder], f"authorizer-{kind}", "apigateway.amazonaws.com", source)
        return identifier

    def _integration(self, gateway: Any, api: str, folder: str, deployment: Deployment) -> str:
        answer = gateway.create_integration(
            ApiId=api,
            IntegrationType="AWS_PROXY",
            IntegrationUri=self._invocation(deployment.functions[folder]),
            PayloadFormatVersion="2.0",
            TimeoutInMillis=min(self._manifest.functions[folder].timeout * 1000 + 500, 30_000),
        )
        identifier: str = answer["IntegrationId"]
        return identifier

    def _invocation(self, name: str) -> str:
        function = self.names.arn("lambda", f"function:{name}:{ALIAS}")
        region, partition = self.names.region, self.names.partition
        return f"arn:{partition}:apigateway:{region}:lambda:path/2015-03-31/functions/{function}/invocations"

    def _permit(self, name: str, statement: str, principal: str, source: str) -> None:
        self.client("lambda").add_permission(
            FunctionName=name,
            Qualifier=ALIAS,
            StatementId=statement,
            Action="lambda:InvokeFunction",
            Principal=principal,
            SourceArn=source,
        )


def table_request(name: str, table: Table) -> dict[str, Any]:
    """The CreateTable request of a described table."""
    keys = [table.key, *(index.key for index in table.indexes.values())]
    attributes = {attribute: kind for key in keys for attribute, kind in key.items()}
    request: dict[str, Any] = {
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": _schema(table.key),
        "AttributeDefinitions": [{"AttributeName": name, "AttributeType": kind} for name, kind in attributes.items()],
    }
    if table.indexes:
        request["GlobalSecondaryIndexes"] = [
            {
                "IndexName": index,
                "KeySchema": _schema(details.key),
                "Projection": {"ProjectionType": details.projection},
            }
            for index, details in table.indexes.items()
        ]
    if table.stream:
        request["StreamSpecification"] = {"StreamEnabled": True, "StreamViewType": table.stream}
    return request


def _schema(key: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"AttributeName": name, "KeyType": kind} for name, kind in zip(key, ("HASH", "RANGE"), strict=False)]
