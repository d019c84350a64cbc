"""Terraform's settings of an environment. The commands must act in the same place, and by the same role."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tools.hcl import read
from tools.local.emulator import ROOT
from tools.manifest import Names

TERRAFORM = ROOT / "terraform"


class OperatorError(Exception):
    """A command failed. The message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Description:
    """`role` is the ARN of the role to assume, empty to use the credentials directly. Empty `accounts` allow any."""

    environment: str
    region: str
    base: str
    role: str
    accounts: frozenset[str]
    tables: Mapping[str, str] = field(default_factory=dict)  # tables with other names


def described(environment: str, terraform: Path = TERRAFORM) -> Description:
    """The settings of an environment. Raises OperatorError if it is not described."""
    file = terraform / "environments" / f"{environment}.tfvars"
    if not file.is_file():
        known = ", ".join(sorted(path.stem for path in file.parent.glob("*.tfvars")))
        raise OperatorError(f"There is no terraform/environments/{environment}.tfvars; ENV is one of {known}.")
    values = _values(terraform, file)
    if not values.get("region"):
        raise OperatorError(f"terraform/environments/{environment}.tfvars names no region.")
    return Description(
        environment,
        values["region"][0],
        (values.get("name") or [Names(environment).base])[0],
        (values.get("deploy_role_arn") or [""])[0],
        frozenset(values.get("account_ids") or ()),
        tables_of(_texts(terraform, file).get("table_names", "")),
    )


def _values(terraform: Path, file: Path) -> dict[str, list[str]]:
    """Variable -> the strings in its value. Sources override one another in Terraform's order."""
    texts = {name[7:]: text for name, text in os.environ.items() if name.startswith("TF_VAR_")}
    values = {name: strings(text) or ([text] if text not in ("", "null", "[]") else []) for name, text in texts.items()}
    for path in (terraform / "terraform.tfvars", *sorted(terraform.glob("*.auto.tfvars")), file):
        if path.is_file():
            values |= {name: strings(text) for name, text in read(path).attributes.items()}
    return values


def _texts(terraform: Path, file: Path) -> dict[str, str]:
    """Variable -> the text of its value."""
    texts = {name[7:]: text for name, text in os.environ.items() if name.startswith("TF_VAR_")}
    for path in (terraform / "terraform.tfvars", *sorted(terraform.glob("*.auto.tfvars")), file):
        if path.is_file():
            texts |= read(path).attributes
    return texts


def tables_of(expression: str) -> dict[str, str]:
    """Table -> its name, from the variable table_names, which is an object with quoted or plain names."""
    return dict(re.findall(r'"?([\w-]+)"?\s*[=:]\s*"([^"]+)"', expression))


def strings(expression: str) -> list[str]:
    """The strings in an expression: none for null, every element of a list."""
    return re.findall(r'"([^"]*)"', expression)
