"""What a plan makes, resource by resource: the attributes that this configuration sets, and no others.

What the provider sets by itself differs from one of its versions to the next, and is left out by looking at the files:
an attribute in the resource's block is ours. The account's number and the zips' checksums are masked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from tools.golden.plans import ACCOUNT
from tools.hcl import Body, read

Lines = dict[str, str]  # path of an attribute -> its value as JSON, or one of the marks below
UNKNOWN = "(known after apply)"
_MASK = "(account)"  # no number: one that is written out is then never taken for the mask
_NAMES = ("route_key", "name", "id", "Sid", "title", "markdown")
_CHOSEN = ("aws_apigatewayv2_api", "aws_apigatewayv2_authorizer", "aws_apigatewayv2_integration")
_INLINE = 150  # characters of a part of a JSON document that is written in one line
_VARYING = re.compile(r"(?<=arn:)[a-z-]+:[a-z0-9-]+:[a-z0-9-]*:|(?<=ai-gateway-)[a-z]+")


@dataclass(frozen=True, slots=True)
class Sources:
    """Terraform's files below `root`, module by module: "" is the root's own. `ignored` are files that a check adds."""

    root: Path
    ignored: frozenset[str] = frozenset({"backend_override.tf", "account_override.tf"})
    modules: dict[str, Body] = field(default_factory=dict)

    def module(self, folder: str) -> Body:
        """All blocks of a folder, such as modules/table, relative to the root."""
        if folder not in self.modules:
            whole = Body()
            others = sorted(path.name for path in (self.root / folder).glob("*.tf.json"))
            if others:
                raise ValueError(f"files that nobody reads here: {', '.join(others)}")
            for path in sorted((self.root / folder).glob("*.tf")):
                if path.name not in self.ignored:
                    whole.blocks += read(path).blocks
            self.modules[folder] = whole
        return self.modules[folder]

    def resource(self, folder: str, kind: str, name: str) -> Body:
        """What is written of a resource; of more than one block (an override) what any of them says."""
        body = Body()
        for block in self.module(folder).of("resource"):
            if block.labels == (kind, name):
                body.attributes |= block.body.attributes
                body.blocks += block.body.blocks
        return body


@dataclass(frozen=True)
class Plan:
    """What `terraform show -json` says of a plan; `checksums` are base64 of SHA-256 -> the zip's name."""

    document: Mapping[str, Any]
    sources: Sources
    checksums: Mapping[str, str]

    def blocks(self) -> dict[str, Lines]:
        """Address -> what is set. Outputs stand under `output.NAME`."""
        made = {}
        for change in self.document["resource_changes"]:
            if change["mode"] == "managed":
                body = self.sources.resource(
                    self._folder(change.get("module_address", "")), change["type"], change["name"]
                )
                after, unknown = change["change"]["after"] or {}, change["change"]["after_unknown"]
                made[change["address"]] = dict(self._set(after, unknown, body, ""))
        for name, change in self.document["output_changes"].items():
            lines = dict(self._leaves(change.get("after"), change["after_unknown"], "value"))
            made[f"output.{name}"] = lines | ({"sensitive": "true"} if change["after_sensitive"] else {})
        return made

    def _folder(self, address: str) -> str:
        """The folder of a module by its address: modules call no modules here."""
        if not address:
            return ""
        call = address.removeprefix("module.").partition("[")[0]
        source: str = self.document["configuration"]["root_module"]["module_calls"][call]["source"]
        return source.removeprefix("./")

    def _set(self, values: Mapping[str, Any], unknown: Any, body: Body, path: str) -> Iterator[tuple[str, str]]:
        for name in sorted({*values, *(unknown or {})}):
            value, later = values.get(name), (unknown or {}).get(name)
            if name in body.attributes and body.attributes[name] == "null":
                continue  # as good as not there: the provider fills it in, not we
            if name in body.attributes:
                yield from self._leaves(value, later, path + name)
            elif inner := list(_named(body, name)):
                yield from self._blocks(value, later, inner, path + name)

    def _blocks(self, value: Any, later: Any, inner: list[Body], path: str) -> Iterator[tuple[str, str]]:
        """Blocks of one name. Their order means nothing where there is more than one: sorted by content."""
        body = Body()
        for each in inner:
            body.attributes |= each.attributes
            body.blocks += each.blocks
        if later is True:
            yield path, UNKNOWN
            return
        elements = [value] if isinstance(value, dict) else value or []
        laters = [later] if isinstance(later, dict) else later or [{}] * len(elements)
        made = [dict(self._set(each, unknown, body, "")) for each, unknown in zip(elements, laters, strict=True)]
        if len(made) > 1 and any(UNKNOWN in lines.values() for lines in made):
            yield path, UNKNOWN  # nobody can say which is which
            return
        in_order = sorted(made, key=lambda lines: json.dumps(lines, sort_keys=True))
        labels = _labels([{name: lines[name] for name in _NAMES if name in lines} for lines in in_order])
        for label, lines in zip(labels, in_order, strict=True):
            if not lines:
                yield f"{path}[{label}]", "{}"
            for name, text in lines.items():
                yield f"{path}[{label}].{name}", text

    def _leaves(self, value: Any, unknown: Any, path: str) -> Iterator[tuple[str, str]]:
        if unknown is True:
            yield path, UNKNOWN
        elif isinstance(value, dict) and (value or unknown):
            for name in sorted({*value, *(unknown or {})}):
                yield from self._leaves(value.get(name), (unknown or {}).get(name), f"{path}.{name}")
        elif isinstance(value, list) and any(isinstance(each, dict | list) for each in value):
            for index, each in enumerate(value):
                later = unknown[index] if isinstance(unknown, list) and index < len(unknown) else None
                yield from self._leaves(each, later, f"{path}[{index}]")
        elif isinstance(value, list) and isinstance(unknown, list) and any(unknown):
            yield path, UNKNOWN
        elif isinstance(document := _document(value), dict | list):
            yield from self._parts(document, f"{path}{{}}")
        else:
            yield path, self._written(value)

    def _parts(self, value: Any, path: str) -> Iterator[tuple[str, str]]:
        """A JSON document: what is short in one line."""
        text = self._written(value)
        # Without what differs by region and environment, so that the same parts are in one line everywhere.
        if len(_VARYING.sub("", text)) <= _INLINE or not isinstance(value, dict | list):
            yield path, text
        elif isinstance(value, dict):
            for name in sorted(value):
                yield from self._parts(value[name], f"{path}.{name}")
        elif not any(isinstance(each, dict | list) for each in value):
            for each in value:
                yield f"{path}[{self._written(each)}]", "in the list"
        else:
            for label, each in zip(_labels(value), value, strict=True):
                yield from self._parts(each, f"{path}[{label}]")

    def _written(self, value: Any) -> str:
        if isinstance(value, str) and value in self.checksums:
            return f"(SHA-256 of {self.checksums[value]})"
        text = json.dumps(value, sort_keys=True, ensure_ascii=False).replace(self._account, _MASK)
        for identifier, address in self._identifiers.items():
            text = text.replace(identifier, f"(id of {address})")
        return text

    @cached_property
    def _identifiers(self) -> dict[str, str]:
        """Identifiers that AWS chooses -> whose they are: a review sees what refers to what."""
        made = ((change["change"]["after"] or {}, change) for change in self.document["resource_changes"])
        return {
            after["id"]: change["address"]
            for after, change in made
            if change["type"] in _CHOSEN and isinstance(after.get("id"), str)
        }

    @cached_property
    def _account(self) -> str:
        """Where data sources are read; an override of the checks (terraform-check.sh) says the same number."""
        known = self.document.get("prior_state", {}).get("values", {}).get("root_module", {}).get("resources", [])
        found = [each["values"]["account_id"] for each in known if each["type"] == "aws_caller_identity"]
        return str(found[0]) if found else ACCOUNT


def _labels(elements: list[Any]) -> list[str]:
    """What tells elements of a list apart in a review: a name of theirs, so that a new one moves no others; else where
    they stand."""
    names = []
    for element in elements:
        facts = element.get("properties", element) if isinstance(element, dict) else {}
        found = [facts[name] for name in _NAMES if isinstance(facts, dict) and name in facts]
        names.append(found[0] if found and isinstance(found[0], str) else None)
    return [
        str(index) if name is None or names.count(name) > 1 else name if name.startswith('"') else json.dumps(name)
        for index, name in enumerate(names)
    ]


def _named(body: Body, name: str) -> Iterator[Body]:
    for block in body.blocks:
        if block.kind == name:
            yield block.body
        elif block.kind == "dynamic" and block.labels == (name,):
            yield from (content.body for content in block.body.of("content"))


def _document(value: Any) -> Any:
    if not isinstance(value, str) or value[:1] not in ("{", "["):
        return None
    try:
        return json.loads(value)
    except ValueError:
        return None


def checksums(build: Path) -> dict[str, str]:
    """base64 of SHA-256 -> file, of the files that `make build` made."""
    manifest = json.loads((build / "manifest.json").read_text(encoding="utf-8"))
    return {each["sha256_base64"]: each["file"] for each in manifest.values()}
