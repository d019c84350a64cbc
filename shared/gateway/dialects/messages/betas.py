"""Betas of Anthropic's API beside the fields that they belong to, for hosts that refuse half of such a pair.

Anthropic itself takes any list of betas, in a header. Bedrock's InvokeModel takes them in the body (`anthropic_beta`),
those alone that the model has there, and refuses a field whose beta is missing. `data/betas.json` says which go
together.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from gateway.dialects.messages.policy import links_in
from gateway.dialects.unsupported import refuse

_DATA = Path(__file__).parents[2] / "data" / "betas.json"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,79}")
_MOST = 40
# They let a prompt be longer than the window that the price list has of a model, by which it is held.
_BEYOND = ("context-1m-",)


class _Field(NamedTuple):
    """Which models take the field at `path`, and with which beta (none: without)."""

    path: str
    models: re.Pattern[str]
    beta: str | None


@functools.cache
def _table() -> tuple[str, dict[str, re.Pattern[str]], dict[str, list[_Field]]]:
    """The version, the models of each beta, and by their paths the fields that not every model takes."""
    said = json.loads(_DATA.read_bytes())
    fields: dict[str, list[_Field]] = {}
    for each in said["fields"]:
        fields.setdefault(each["path"], []).append(_Field(each["path"], re.compile(each["models"]), each.get("beta")))
    return said["version"], {name: re.compile(models) for name, models in said["betas"].items()}, fields


def betas_of(header: str | None, body: Mapping[str, Any]) -> list[str]:
    """The betas that a client asks for and that may leave: in its header, and in the body where some clients put them.
    Each once, without what is no name of one."""
    return [name for name in _asked(header, body) if not name.startswith(_BEYOND)]


def withheld(header: str | None, body: Mapping[str, Any]) -> list[str]:
    """Those that may not leave: what they let a call cost is not held. As paths, to be named."""
    return [f"anthropic-beta.{name}" for name in _asked(header, body) if name.startswith(_BEYOND)]


def _asked(header: str | None, body: Mapping[str, Any]) -> list[str]:
    given = [each.strip() for each in (header or "").split(",")]
    for name in ("betas", "anthropic_beta"):
        listed = body.get(name)
        given += [each for each in (listed if isinstance(listed, list) else ()) if isinstance(each, str)]
    return [name for name in dict.fromkeys(given) if _NAME.fullmatch(name)][:_MOST]


def with_betas(body: Mapping[str, Any], betas: Iterable[str], model: str, dropped: list[str]) -> dict[str, Any]:
    """The body for InvokeModel: with its version and the betas that this model has, a field's missing beta put beside
    it, and without what the model has not. What is left out is named in `dropped`. Raises Unsupported for what stands
    at an address: it is not fetched there."""
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
    """What holds the field at `path`, as a copy of its own in `body`, with its whole path and its name there."""
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
