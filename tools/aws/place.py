"""Where a gateway is deployed: its account, region and names, and how to reach its tables and its API."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from gateway.aws.http import AwsHttp
from gateway.aws.sigv4 import Credentials
from gateway.stores.dynamodb import Database, DynamoDB
from tools.local.emulator import ROOT
from tools.local.gateway import ACCOUNT, REGION
from tools.local.gateway import session as emulated
from tools.manifest import Names

_ENVIRONMENTS = ROOT / "terraform" / "environments"
_STORE_SECONDS = 10.0


class OperatorError(Exception):
    """A command can't be done; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Place:
    """`endpoint` is an emulator's address, empty on AWS. `session` gives boto3's clients."""

    names: Names
    session: Any
    endpoint: str = ""

    def client(self, service: str) -> Any:
        return self.session.client(service)

    def database(self) -> Database:
        """The tables, by the gateway's own client."""
        region = self.names.region
        endpoint = self.endpoint or f"https://dynamodb.{region}.amazonaws.com"
        return DynamoDB(AwsHttp("dynamodb", region, endpoint, self._credentials), timeout=_STORE_SECONDS)

    def base_url(self) -> str:
        """The API's address: its custom domain where it has one, which may be the only one that answers. Raises
        OperatorError where there is no such API, or no address."""
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
            raise OperatorError(f"{name} answers by its custom domain alone, and no domain is mapped to it.")
        return str(found[0]["ApiEndpoint"])

    def _custom_domains(self, api_id: str) -> list[str]:
        """Domain names mapped to the API's stage, each with its path if it has one; those without a path first."""
        api = self.client("apigatewayv2")
        found: list[tuple[str, str]] = []
        for page in api.get_paginator("get_domain_names").paginate():
            for domain in page["Items"]:
                for mapping in api.get_api_mappings(DomainName=domain["DomainName"], MaxResults="500")["Items"]:
                    if (mapping["ApiId"], mapping["Stage"]) == (api_id, "$default"):
                        found.append((mapping.get("ApiMappingKey") or "", domain["DomainName"]))
        return [f"{name}/{path}" if path else name for path, name in sorted(found)]

    def _credentials(self) -> Credentials:
        if self.endpoint:
            return Credentials(ACCOUNT, "test")
        frozen = self.session.get_credentials().get_frozen_credentials()
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token)


def place(environment: str, endpoint: str) -> Place:
    """The place of an environment. Raises OperatorError without credentials, or for an environment nobody describes."""
    if endpoint:
        return Place(Names(environment, region=REGION, account=ACCOUNT), emulated(endpoint), endpoint.rstrip("/"))
    region, base = _described(environment)
    session = boto3.session.Session(region_name=region)
    try:
        account = session.client("sts").get_caller_identity()["Account"]
    except (BotoCoreError, ClientError) as error:
        raise OperatorError(
            f"No AWS credentials that work: {error}. Set AWS_PROFILE, or sign in with `aws sso login`."
        ) from None
    return Place(Names(environment, region=region, account=account, base=base), session)


def _described(environment: str) -> tuple[str, str]:
    """Region and first part of every name, as Terraform gets them."""
    file = _ENVIRONMENTS / f"{environment}.tfvars"
    if not file.is_file():
        known = ", ".join(sorted(path.stem for path in _ENVIRONMENTS.glob("*.tfvars")))
        raise OperatorError(f"There is no terraform/environments/{environment}.tfvars; ENV is one of {known}.")
    values = dict(re.findall(r'^(region|name)\s*=\s*"([^"]*)"', file.read_text(encoding="utf-8"), re.M))
    if "region" not in values:
        raise OperatorError(f"terraform/environments/{environment}.tfvars names no region.")
    return values["region"], values.get("name", Names(environment).base)
