"""Stores a provider's key from standard input in Secrets Manager, and in no file, history, process list or state.

Terraform creates the secrets of the providers that it knows. For a provider that the config adds (`providers/<name>`),
this command creates the secret when its key is first set; it is never in the state. Several keys are a JSON list.
"""

from __future__ import annotations

import getpass
import re
import sys

from gateway.vendors.credentials import Held, read_credentials, usable
from tools.aws.place import OperatorError, Place
from tools.local.emulator import ROOT
from tools.manifest import load

_SHORTEST = 8
_CONFIGURED = re.compile(r"providers/[A-Za-z0-9][A-Za-z0-9_-]{0,62}")


def put(place: Place, provider: str) -> str:
    """Set the secret's value. Returns its name. Raises OperatorError, whose message never has the value."""
    known = sorted({secret for function in load(ROOT).functions.values() for secret in function.secrets})
    configured = _CONFIGURED.fullmatch(provider) is not None
    if provider not in known and not configured:
        raise OperatorError(
            f"No function reads a secret of '{provider}'; PROVIDER is one of {', '.join(known)}, or providers/<name>"
            " for one that the config names."
        )
    value = _value(provider)
    name = place.names.secret(provider)
    secrets = place.client("secretsmanager")
    try:
        secrets.put_secret_value(SecretId=name, SecretString=value)
    except secrets.exceptions.ResourceNotFoundException:
        if configured:
            secrets.create_secret(Name=name, Description="Key for a model provider of the config", SecretString=value)
            return name
        raise OperatorError(
            f"There is no secret {name}: run `make apply` first, with {provider} in providers_enabled."
        ) from None
    return name


def _value(provider: str) -> str:
    text = getpass.getpass(f"Key for {provider} (not shown): ") if sys.stdin.isatty() else sys.stdin.read()
    value = text.strip()
    try:
        held = read_credentials(value)
    except ValueError as reason:
        raise OperatorError(f"That {reason}.") from None
    wrong = next((number for number, each in enumerate(held, start=1) if not _is_one(each)), None)
    if wrong is not None:
        which = f"Entry {wrong}" if len(held) > 1 else "That"
        raise OperatorError(f"{which} is no key: it must be one word of 8 or more characters, on standard input.")
    return value


def _is_one(held: Held) -> bool:
    return usable(held) and (not isinstance(held, str) or len(held) >= _SHORTEST)
