"""Locates the state of an environment, and checks that a state belongs to it. Each environment has its own settings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tools.aws.described import TERRAFORM, Description, OperatorError, strings
from tools.aws.place import Place
from tools.hcl import read


def settings(environment: Description, bucket: str, kept: Path, terraform: Path = TERRAFORM) -> str:
    """The settings of Terraform's S3 backend, as a file for `terraform init -backend-config`.

    They come from environments/ENV.s3.tfbackend. Without that file, STATE_BUCKET names the bucket on the first run, and
    `kept`, the file of the last run, afterwards. Raises OperatorError if nothing names a bucket, or names differ.
    """
    name = f"terraform/environments/{environment.environment}.s3.tfbackend"
    file = terraform / "environments" / f"{environment.environment}.s3.tfbackend"
    own = read(file).attributes if file.is_file() else {}
    named = {
        "STATE_BUCKET": bucket,
        name: "".join(strings(own.get("bucket", ""))),
        f"the last run ({kept})": "".join(strings(read(kept).attributes.get("bucket", ""))) if kept.is_file() else "",
    }
    said = {where: each for where, each in named.items() if each}
    if len(set(said.values())) > 1:
        each = "; ".join(f"{where}: {bucket}" for where, bucket in said.items())
        raise OperatorError(
            f"The state of {environment.environment} can't be in two buckets ({each})."
            " If it was moved, delete the file of the last run."
        )
    if not said:
        raise OperatorError(
            f"Where is the state of {environment.environment}? Write {name}, or name its bucket once:"
            f" make plan ENV={environment.environment} STATE_BUCKET=... (docs/deployment.md)."
        )
    default = {"bucket": json.dumps(next(iter(said.values()))), "region": json.dumps(environment.region)}
    if environment.role:
        default["assume_role"] = f"{{ role_arn = {json.dumps(environment.role)} }}"
    if environment.accounts:
        default["allowed_account_ids"] = json.dumps(sorted(environment.accounts))
    return "".join(f"{setting} = {text}\n" for setting, text in sorted((default | own).items()))


def check_state(place: Place, document: str) -> None:
    """Raises OperatorError if a state (`terraform state pull`) is not this place's, or if it is empty and the place is
    not."""
    state = json.loads(document) if document.strip() else {}
    resources = [each for each in state.get("resources", []) if each["mode"] == "managed"]
    prefix = place.names.prefix
    if not resources and _deployed(place):
        raise OperatorError(
            f"This state knows of nothing, but {prefix} is deployed in {place.names.account}: its state is in another"
            " bucket or under another key. Nothing was done."
        )
    for what, found, wanted in (
        ("names", set(_prefixes(resources)), prefix),
        ("account", {arn.split(":")[4] for arn in _arns(resources)} - {""}, place.names.account),
        ("region", {arn.split(":")[3] for arn in _arns(resources)} - {""}, place.names.region),
    ):
        if found - {wanted}:
            others = ", ".join(sorted(found - {wanted}))
            raise OperatorError(
                f"This state is not that of {prefix}: its {what} is {others}, not {wanted}. Nothing was done."
            )


def _deployed(place: Place) -> bool:
    functions = place.client("lambda")
    try:
        functions.get_function_configuration(FunctionName=f"{place.names.prefix}-health")
    except functions.exceptions.ResourceNotFoundException:
        return False
    return True


def _attributes(resources: list[Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for resource in resources:
        for instance in resource["instances"]:
            yield resource["type"], instance["attributes"]


def _arns(resources: list[Any]) -> Iterator[str]:
    for _, attributes in _attributes(resources):
        if str(attributes.get("arn")).startswith("arn:"):
            yield attributes["arn"]


def _prefixes(resources: list[Any]) -> Iterator[str]:
    for kind, attributes in _attributes(resources):
        if kind == "terraform_data":
            yield str(attributes["input"]["value"])
