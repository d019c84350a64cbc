"""The place of a deployed gateway: its account, region and names, and how to reach its tables and its API."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import botocore.session
from botocore.credentials import AssumeRoleCredentialFetcher, CredentialProvider, DeferredRefreshableCredentials
from botocore.exceptions import BotoCoreError, ClientError

from gateway.aws.http import AwsHttp
from gateway.aws.sigv4 import Credentials
from gateway.dynamodb.client import Database, DynamoDB
from gateway.settings import domain
from tools.aws.described import TERRAFORM, Description, OperatorError, described
from tools.local import state
from tools.local.emulator import ACCOUNT, REGION, STAGE
from tools.manifest import Names

__all__ = ["OperatorError", "Place", "place"]
_STORE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Place:
    """`endpoint` is an emulator's address, empty on AWS. `session` makes boto3 clients, with `role` if there is one."""

    names: Names
    session: Any
    endpoint: str = ""
    role: str = ""

    def client(self, service: str) -> Any:
        return self.session.client(service)

    def database(self) -> Database:
        """The gateway's own DynamoDB client."""
        region = self.names.region
        endpoint = self.endpoint or f"https://dynamodb.{region}.amazonaws.com"
        return DynamoDB(AwsHttp("dynamodb", region, endpoint, self._credentials), timeout=_STORE_SECONDS)

    def base_url(self) -> str:
        """The API's address. That is its custom domain if it has one, as other addresses may be off. Raises
        OperatorError if there is no such API, or no address."""
        name = f"{self.names.prefix}-api"
        pages = self.client("apigatewayv2").get_paginator("get_apis").paginate()
        found = [api for page in pages for api in page["Items"] if api["Name"] == name]
        if len(found) != 1:
            raise OperatorError(
                f"There are {len(found)} APIs named {name} in {self.names.region}; was it deployed there?"
            )
        if self.endpoint:
            return f"{self.endpoint}/_aws/execute-api/{found[0]['ApiId']}/$default"
        domains = self._custom_domains(found[0]["ApiId"])
        if domains:
            return f"https://{domains[0]}"
        if found[0].get("DisableExecuteApiEndpoint"):
            raise OperatorError(
                f"{name} has no address: its own is off (custom_domain.only, or http_api_closed), and no custom domain"
                " is mapped to it."
            )
        return str(found[0]["ApiEndpoint"])

    def stream_url(self) -> str:
        """The address of the streaming door, to which clients add /v1/... It is the custom domain's, or the REST API's
        own with its stage. If that API is private, the address leads through one of its VPC endpoints. With an
        emulator, it is STREAM_URL, or the running gateway's. Raises OperatorError without an address."""
        if self.endpoint:
            running = state.read() or {}
            known = running.get("stream_url") if running.get("endpoint") == self.endpoint else None
            if not (found := os.environ.get("STREAM_URL") or known):
                raise OperatorError(
                    "STREAM_URL must say which address streams: the emulator is not that of `make run`."
                )
            return str(found)
        name = f"{self.names.prefix}-stream"
        pages = self.client("apigateway").get_paginator("get_rest_apis").paginate()
        apis = [api for page in pages for api in page["items"] if api["name"] == name]
        if len(apis) != 1:
            raise OperatorError(f"There are {len(apis)} REST APIs named {name} in {self.names.region}.")
        domains = self._custom_domains(apis[0]["id"], STAGE)
        if domains:
            return f"https://{domains[0].removesuffix('/v1')}"
        where = apis[0].get("endpointConfiguration", {})
        private = sorted(where.get("vpcEndpointIds", ())) if where.get("types") == ["PRIVATE"] else []
        host = "-".join([apis[0]["id"], *private[:1]])  # the name that leads through an endpoint
        return f"https://{host}.execute-api.{self.names.region}.{domain(self.names.region)}/{STAGE}"

    def _custom_domains(self, api_id: str, stage: str = "$default") -> list[str]:
        """The domain names that map to the API's stage, with their paths. Those without a path come first."""
        api = self.client("apigatewayv2")
        found: list[tuple[str, str]] = []
        for page in api.get_paginator("get_domain_names").paginate():
            for each in page["Items"]:
                for mapping in api.get_api_mappings(DomainName=each["DomainName"], MaxResults="500")["Items"]:
                    if (mapping["ApiId"], mapping["Stage"]) == (api_id, stage):
                        found.append((mapping.get("ApiMappingKey") or "", each["DomainName"]))
        return [f"{name}/{path}" if path else name for path, name in sorted(found)]

    def _credentials(self) -> Credentials:
        if self.endpoint:
            return Credentials(ACCOUNT, "test")
        frozen = self.session.get_credentials().get_frozen_credentials()
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token)


def place(environment: str, endpoint: str, terraform: Path = TERRAFORM) -> Place:
    """The place of an environment, accessed with the role that deploys it. Raises OperatorError without credentials,
    for an account that is not the environment's, and for an environment that is not described."""
    if endpoint:
        running = state.read() or {}
        adopted = running.get("tables", {}) if running.get("endpoint") == endpoint.rstrip("/") else {}
        from tools.local.gateway import session as emulated  # imports the local gateway, which takes a quarter second

        names = Names(environment, region=REGION, account=ACCOUNT, tables=adopted)
        return Place(names, emulated(endpoint), endpoint.rstrip("/"))
    description = described(environment, terraform)
    session = _session(description)
    try:
        account = session.client("sts").get_caller_identity()["Account"]
    except (BotoCoreError, ClientError) as error:
        by = f" as {description.role}" if description.role else ""
        raise OperatorError(
            f"No AWS credentials that work{by}: {error}. Set AWS_PROFILE, or sign in with `aws sso login`."
        ) from None
    if description.accounts and account not in description.accounts:
        allowed = ", ".join(sorted(description.accounts))
        raise OperatorError(
            f"{environment} is deployed to {allowed} (account_ids), but these credentials are of {account}."
            f" Set AWS_PROFILE, or deploy_role_arn in terraform/environments/{environment}.tfvars."
        )
    return Place(
        Names(
            environment, region=description.region, account=account, base=description.base, tables=description.tables
        ),
        session,
        role=description.role,
    )


def _session(description: Description) -> Any:
    """A boto3 session. If there is a role, it uses the role's credentials, and renews them during long commands."""
    session = boto3.session.Session(region_name=description.region)
    if not description.role:
        return session
    inner = botocore.session.get_session()
    inner.get_component("credential_provider").providers.insert(0, _Role(session, description))
    return boto3.session.Session(botocore_session=inner, region_name=description.region)


class _Role(CredentialProvider):  # type: ignore[misc]  # botocore has no types
    """Credentials of the environment's role, obtained with this machine's own."""

    METHOD = "deploy-role"

    def __init__(self, source: Any, description: Description) -> None:
        super().__init__()
        self._source = source
        self._description = description

    def load(self) -> Any:
        credentials = self._source.get_credentials()
        if credentials is None:
            return None
        name = f"{self._description.base}-{self._description.environment}-operator"
        fetcher = AssumeRoleCredentialFetcher(
            self._source.client, credentials, self._description.role, extra_args={"RoleSessionName": name[:64]}
        )
        return DeferredRefreshableCredentials(fetcher.fetch_credentials, self.METHOD)
