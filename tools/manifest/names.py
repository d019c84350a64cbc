"""Derives an environment's names, ARNs, variables and rights from a manifest. Terraform derives the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tools.manifest.model import BY_OWN_ID, Function, Manifest

Statement = dict[str, Any]
_STREAM_ACTIONS = ("DescribeStream", "GetRecords", "GetShardIterator", "ListStreams")


@dataclass(frozen=True, slots=True)
class Names:
    """A gateway's names in one account and region. `environment` is dev, staging, prod or local."""

    environment: str
    region: str = "us-east-1"
    account: str = "000000000000"
    partition: str = "aws"
    base: str = "ai-gateway"
    tables: Mapping[str, str] = field(default_factory=dict, hash=False)  # tables with other names: restored ones

    @property
    def prefix(self) -> str:
        return f"{self.base}-{self.environment}"

    def function(self, folder: str, function: Function) -> str:
        return f"{self.prefix}-{function.name or folder}"

    def table(self, table: str) -> str:
        return self.tables.get(table) or f"{self.prefix}-{table}"

    def secret(self, provider: str) -> str:
        return f"{self.prefix}/{provider}"

    def log_group(self, folder: str, function: Function) -> str:
        return f"/aws/lambda/{self.function(folder, function)}"

    def failure_queue(self, folder: str, function: Function) -> str:
        """The queue for the stream records that a function could not process."""
        return f"{self.function(folder, function)}-failures"

    @property
    def budget_topic(self) -> str:
        """The ARN of the topic that budget alerts go to."""
        return self.arn("sns", f"{self.prefix}-budgets")

    def arn(self, service: str, resource: str) -> str:
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"

    def table_arn(self, target: str) -> str:
        """The ARN of `table` or `table/index`."""
        table, _, index = target.partition("/")
        return self.arn("dynamodb", f"table/{self.table(table)}" + (f"/index/{index}" if index else ""))


@dataclass(frozen=True, slots=True)
class Called:
    """Which models a deployment calls. `providers` are in order of preference. The role calls models in `regions`
    (none: the deployment's own), with ids of `forms`. Providers in `by_secret` are called with credentials of a secret,
    although the role could sign."""

    providers: tuple[str, ...] = ("openai", "bedrock")
    regions: tuple[str, ...] = ()
    forms: tuple[str, ...] = ("*",)
    by_secret: frozenset[str] = frozenset()

    @classmethod
    def of(cls, values: Mapping[str, str]) -> Called:
        """As the variables of an environment define it."""
        providers = tuple(name for name in values.get("GATEWAY_PROVIDERS", "").split(",") if name)
        regions = tuple(dict.fromkeys(filter(None, (values.get(f"{name.upper()}_REGION") for name in providers))))
        secrets = frozenset(name for name in providers if values.get(f"{name.upper()}_SECRET_ID"))
        return cls(providers, regions, by_secret=secrets)


def variables(manifest: Manifest, folder: str, values: Mapping[str, str]) -> dict[str, str]:
    """The environment of a function: the variables of every function and those that it asks for, without empty values.
    A server also gets the adapter's variables."""
    wanted = [name for name, variable in manifest.environment.items() if variable.everywhere]
    wanted += manifest.functions[folder].environment
    adapter = manifest.adapter.environment if manifest.functions[folder].door == "stream" else {}
    return {name: values[name] for name in wanted if values.get(name)} | adapter


def statements(manifest: Manifest, folder: str, names: Names, called: Called | None = None) -> list[Statement]:
    """The statements of a function's policy: exactly the rights of its manifest, and its own log group."""
    return list(_statements(manifest.functions[folder], folder, names, called or Called()))


def _statements(function: Function, folder: str, names: Names, called: Called) -> Iterator[Statement]:
    group = names.arn("logs", f"log-group:{names.log_group(folder, function)}:*")
    yield _allow("Logs", ["logs:CreateLogStream", "logs:PutLogEvents"], [group])
    # X-Ray has no resource-level permissions: AWS accepts only "*" here.
    yield _allow("Traces", ["xray:PutTelemetryRecords", "xray:PutTraceSegments"], ["*"])
    for target, actions in sorted(function.tables.items()):
        sid, arn = _sid("Table", target), names.table_arn(target)
        if isinstance(actions, dict):
            for action, keys in actions.items():
                yield _allow(f"{sid}{action}", [f"dynamodb:{action}"], [arn]) | {"Condition": _of_partitions(keys)}
        else:
            yield _allow(sid, [f"dynamodb:{action}" for action in sorted(actions)], [arn])
    yield from _on_models(function, names, called)
    for name in (each for each in function.secrets if _has_secret(each, function, called)):
        # Secrets Manager adds six random characters to every ARN.
        arn = names.arn("secretsmanager", f"secret:{names.secret(name)}-??????")
        yield _allow(f"Secret{name.capitalize()}", ["secretsmanager:GetSecretValue"], [arn])
    if function.event and function.event.stream:
        stream = f"{names.table_arn(function.event.stream)}/stream/*"
        yield _allow("Stream", [f"dynamodb:{action}" for action in _STREAM_ACTIONS], [stream])
        queue = names.arn("sqs", names.failure_queue(folder, function))
        yield _allow("Failures", ["sqs:SendMessage"], [queue])
    for number, grant in enumerate(function.actions):
        yield _allow(
            f"Named{number}", sorted(grant.actions), [_filled(resource, names) for resource in grant.resources]
        )


def _has_secret(provider: str, function: Function, called: Called) -> bool:
    return provider in called.providers and (provider not in function.models or provider in called.by_secret)


def _on_models(function: Function, names: Names, called: Called) -> Iterator[Statement]:
    """A profile also runs a model in other regions. There, the role may call it only through one of our profiles."""
    begin = f"arn:{names.partition}:bedrock"
    places = [(region, form) for region in called.regions or (names.region,) for form in called.forms]
    profiles = [f"{begin}:{region}:{names.account}:inference-profile/*.{form}" for region, form in places]
    for provider, actions in function.models.items():
        if provider in called.providers and provider not in called.by_secret:
            sid = _sid("Models", provider)
            allowed = [f"{provider}:{action}" for action in sorted(actions) if action not in BY_OWN_ID]
            alone = [f"{provider}:{action}" for action in sorted(actions) if action in BY_OWN_ID]
            models = [f"{begin}:{region}::foundation-model/{form}" for region, form in places]
            if alone:
                yield _allow(f"{sid}ById", alone, models)
            yield _allow(sid, allowed, [*models, *profiles])
            anywhere = [f"{begin}:*::foundation-model/{form}" for form in called.forms]
            through = {"ArnLike": {"bedrock:InferenceProfileArn": sorted(profiles)}}
            yield _allow(f"{sid}ByProfile", allowed, anywhere) | {"Condition": through}


def _allow(sid: str, actions: list[str], resources: list[str]) -> Statement:
    return {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources}


def _of_partitions(keys: list[str]) -> dict[str, Any]:
    """Limits a call to these partitions. A call that names none would pass `ForAllValues`, so `Null` refuses it."""
    leading = "dynamodb:LeadingKeys"
    return {"ForAllValues:StringLike": {leading: sorted(keys)}, "Null": {leading: "false"}}


def _sid(kind: str, target: str) -> str:
    return kind + "".join(part.capitalize() for part in target.replace("/", "-").split("-"))


def _filled(resource: str, names: Names) -> str:
    values = {"partition": names.partition, "region": names.region, "account": names.account, "prefix": names.prefix}
    for name, value in values.items():
        resource = resource.replace(f"{{{name}}}", value)
    return resource
