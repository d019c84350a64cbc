"""Reads the description of a gateway from its files, and reports all its problems at once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from tools.manifest.model import Adapter, Cors, DynamoAction, Function, Manifest, Table, Variable

M = TypeVar("M", bound=BaseModel)


class ManifestError(Exception):
    """The problems, one on each line: file, key, reason. `problems` holds the lines."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def load(root: Path) -> Manifest:
    """The manifest of a checkout. Raises ManifestError, which names the file and key of every problem."""
    problems: list[str] = []
    tables = _many(root, "shared/tables.json", Table, problems)
    environment = _many(root, "shared/environment.json", Variable, problems)
    cors = _one("shared/cors.json", _read(root / "shared/cors.json", "shared/cors.json", problems), Cors, problems)
    file = "shared/adapter.json"
    adapter = _one(file, _read(root / file, file, problems), Adapter, problems)
    functions: dict[str, Function] = {}
    for path in sorted(root.glob("functions/*/function.json")):
        file = path.relative_to(root).as_posix()
        function = _one(file, _read(path, file, problems), Function, problems)
        if function is not None:
            functions[path.parent.name] = function
    if cors is None or adapter is None:
        raise ManifestError(problems)
    manifest = Manifest(functions=functions, tables=tables, environment=environment, cors=cors, adapter=adapter)
    for check in (_routes, _doors, _handlers, _tables, _environment, _events, _authorizers, _names):
        problems += check(manifest, root)
    if problems:
        raise ManifestError(problems)
    return manifest


def _file(name: str) -> str:
    return f"functions/{name}/function.json"


def _read(path: Path, file: str, problems: list[str]) -> Any:
    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        seen: dict[str, Any] = {}
        for key, value in items:
            if key in seen:
                problems.append(f"{file}: {key}: is there twice")
            seen[key] = value
        return seen

    try:
        return json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=pairs)
    except FileNotFoundError:
        problems.append(f"{file}: is missing")
    except ValueError as error:
        problems.append(f"{file}: is not valid JSON: {error}")
    return None


def _one(file: str, data: Any, model: type[M], problems: list[str], below: str = "") -> M | None:
    if data is None:
        return None
    try:
        return model.model_validate(data)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            parts = map(str, (below, *detail["loc"]) if below else detail["loc"])
            # Parts in brackets are pydantic's: [key], and the tag of the union member that it chose.
            key = ".".join(part for part in parts if not part.startswith("["))
            problems.append(f"{file}: {key or 'file'}: {detail['msg']}")
        return None


def _many(root: Path, file: str, model: type[M], problems: list[str]) -> dict[str, M]:
    data = _read(root / file, file, problems)
    entries = data.items() if isinstance(data, dict) else ()
    read = {name: _one(file, entry, model, problems, below=name) for name, entry in entries}
    return {name: entry for name, entry in read.items() if entry is not None}


def _routes(manifest: Manifest, _root: Path) -> Iterator[str]:
    owners: dict[tuple[str, str], str] = {}
    for name, function in manifest.functions.items():
        for route in function.routes:
            # To API Gateway, routes that differ only in a parameter's name are the same.
            form = "/".join(
                "{}" if part.startswith("{") and not part.endswith("+}") else part for part in route.split("/")
            )
            other = owners.setdefault((function.door, form), name)
            if other != name:
                yield f"{_file(name)}: routes.{route}: {_file(other)} has this route too"


def _doors(manifest: Manifest, _root: Path) -> Iterator[str]:
    found = [name for name, function in manifest.functions.items() if function.door == "stream"]
    yield from (f"{_file(name)}: door: only one function can be behind it, {found[0]} is" for name in found[1:])


def _handlers(manifest: Manifest, root: Path) -> Iterator[str]:
    for name, function in manifest.functions.items():
        if function.door == "stream":
            path = function.handler
        else:
            path = function.handler.rpartition(".")[0].replace(".", "/") + ".py"
        if path.split("/")[1] != name:
            yield f"{_file(name)}: handler: {function.handler} lies outside functions/{name}"
        elif not (root / path).is_file():
            yield f"{_file(name)}: handler: there is no {path}"


def _tables(manifest: Manifest, _root: Path) -> Iterator[str]:
    for name, function in manifest.functions.items():
        for target, actions in function.tables.items():
            table, _, index = target.partition("/")
            if table not in manifest.tables:
                yield f"{_file(name)}: tables.{target}: shared/tables.json has no table {table}"
            elif index and index not in manifest.tables[table].indexes:
                yield f"{_file(name)}: tables.{target}: shared/tables.json: {table} has no index {index}"
            elif index and set(actions) != {"Query"}:
                yield f"{_file(name)}: tables.{target}: an index allows Query alone"
            if len(set(actions)) != len(actions):
                yield f"{_file(name)}: tables.{target}: an action is there twice"
            if isinstance(actions, dict):
                yield from (f"{_file(name)}: tables.{target}: {problem}" for problem in _parts(index, actions))


def _parts(index: str, actions: Mapping[DynamoAction, list[str]]) -> Iterator[str]:
    if index:
        yield "an index is granted whole"
    if "Scan" in actions:
        yield "Scan reads every partition, so it can be granted on a whole table alone"
    for action, keys in actions.items():
        if len(set(keys)) != len(keys):
            yield f"{action}: a key is there twice"


def _environment(manifest: Manifest, _root: Path) -> Iterator[str]:
    for name, function in manifest.functions.items():
        for variable in function.environment:
            if variable not in manifest.environment:
                yield f"{_file(name)}: environment.{variable}: shared/environment.json does not know it"


def _events(manifest: Manifest, _root: Path) -> Iterator[str]:
    for name, function in manifest.functions.items():
        stream = function.event.stream if function.event else None
        if stream is None:
            continue
        if stream not in manifest.tables:
            yield f"{_file(name)}: event.stream: shared/tables.json has no table {stream}"
        elif manifest.tables[stream].stream is None:
            yield f"{_file(name)}: event.stream: shared/tables.json: {stream} has no stream"


def _authorizers(manifest: Manifest, _root: Path) -> Iterator[str]:
    found = [name for name, function in manifest.functions.items() if function.authorizer]
    if len(found) > 1:
        yield from (f"{_file(name)}: authorizer: only one function can be it, {found[0]} is" for name in found[1:])
    if not found:
        yield "functions: authorizer: no function.json has it, so no key would be checked"


def _names(manifest: Manifest, _root: Path) -> Iterator[str]:
    owners: dict[str, str] = {}
    for folder, function in manifest.functions.items():
        other = owners.setdefault(function.name or folder, folder)
        if other != folder:
            yield f"{_file(folder)}: name: {_file(other)} has this name too"
