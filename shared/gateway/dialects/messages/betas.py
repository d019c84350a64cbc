"""Pairs betas of Anthropic's API with their fields, for hosts that refuse one without the other.

Anthropic itself takes any list of betas, in a header. Bedrock's InvokeModel takes them in the body (`anthropic_beta`),
but only those that the model has there, and it refuses a field whose beta is missing. `data/betas.json` says which
belong together.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from gateway.dialects.messages.policy import links_in
from gateway.dialects.unsupported import refuse

_DATA = Path(__file__).parents[2] / "data" / "betas.json"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,79}")
_MOST = 40
# They allow a prompt longer than the model's window in the price list, and a call reserves budget by that window.
_BEYOND = ("context-1m-",)


class _Field(Struct, frozen=True):
    """Which models take the field at `path`, and with which beta (None: without one)."""

    path: str
    models: re.Pattern[str]
    beta: str | None


@functools.cache
def _table() -> tuple[str, dict[str, re.Pattern[str]], dict[str, list[_Field]]]:
    """The version, the models of each beta, and the fields that not every model takes, by their paths."""
    said = json.loads(_DATA.read_bytes())
    fields: dict[str, list[_Field]] = {}
    for each in said["fields"]:
        fields.setdefault(each["path"], []).append(_Field(each["path"], re.compile(each["models"]), each.get("beta")))
    return said["version"], {name: re.compile(models) for name, models in said["betas"].items()}, fields


def betas_of(header: str | None, body: Mapping[str, Any]) -> list[str]:
    """The betas that a client asks for and that may leave: from its header, and from the body, where some clients put
    them. Each comes once; what is not the name of a beta is left out."""
    return [name for name in _asked(header, body) if not name.startswith(_BEYOND)]


def withheld(header: str | None, body: Mapping[str, Any]) -> list[str]:
    """The betas that may not leave, because the reservation would not cover the call. They are paths, to be named."""
    return [f"anthropic-beta.{name}" for name in _asked(header, body) if name.startswith(_BEYOND)]


def _asked(header: str | None, body: Mapping[str, Any]) -> list[str]:
    given = [each.strip() for each in (header or "").split(",")]
    for name in ("betas", "anthropic_beta"):
        listed = body.get(name)
        given += [each for each in (listed if isinstance(listed, list) else ()) if isinstance(each, str)]
    return [name for name in dict.fromkeys(given) if _NAME.fullmatch(name)][:_MOST]


def with_betas(body: Mapping[str, Any], betas: Iterable[str], model: str, dropped: list[str]) -> dict[str, Any]:
    """The body for InvokeModel, with its version and the betas that this model has. A field's missing beta is added;
    what the model lacks is left out and named in `dropped`. Raises Unsupported for content by URL: InvokeModel does
    not fetch it."""
    for where in links_in(body):
        raise refuse(where, "must be base64 in the request itself")
    version, models, fields = _table()
    asked = list(betas)
    kept = [name for name in asked if name in models and models[name].search(model)]
    dropped += [f"anthropic-beta.{name}" for name in asked if name not in kept]
    found = dict(body)
    for path, rules in fields.items():
        rule = next((each for each in rules if each.models.search(model)), None)
        for where, holder, name in list(_holders(found, path)):
            if rule is None:
                del holder[name]
                dropped.append(where)
            elif rule.beta is not None and rule.beta not in kept:
                kept.append(rule.beta)
    if found.get("output_config") == {}:
        del found["output_config"]
    return {"anthropic_version": version, **found, **({"anthropic_beta": kept} if kept else {})}


def _holders(body: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Each object that holds the field at `path`, copied into `body`, with the field's whole path and its name."""
    above, dot, name = path.rpartition(".")
    if not dot:
        if body.get(name) is not None:
            yield name, body, name
    elif above.endswith("[]"):
        listed = body.get(above[:-2])
        if not isinstance(listed, list) or not any(isinstance(each, dict) and name in each for each in listed):
            return
        copies = body[above[:-2]] = [dict(each) if isinstance(each, dict) else each for each in listed]
        for number, each in enumerate(copies):
            if isinstance(each, dict) and each.get(name) is not None:
                yield f"{above[:-2]}[{number}].{name}", each, name
    elif isinstance(body.get(above), dict) and body[above].get(name) is not None:
        body[above] = dict(body[above])
        yield path, body[above], name
