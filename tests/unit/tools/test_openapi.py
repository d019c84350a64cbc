"""The OpenAPI document: valid, whole, and what the functions say of themselves."""

import json
import shutil
from pathlib import Path

import pytest
from openapi_spec_validator import validate

from tools import openapi
from tools.local.emulator import ROOT
from tools.manifest import load


def test_what_is_committed_is_what_the_functions_say() -> None:
    assert openapi.OUT.read_text(encoding="utf-8") == openapi.text(), "run `make openapi`"


def test_it_is_valid_and_has_every_route() -> None:
    document = json.loads(openapi.OUT.read_text(encoding="utf-8"))
    validate(document)
    operations = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    routes = {tuple(route.replace("+}", "}").split(" ")) for route in load(ROOT).routes()}
    assert operations == routes
    for path, methods in document["paths"].items():
        for operation in methods.values():
            assert operation["summary"], path


def test_a_route_that_nobody_described_is_named(tmp_path: Path) -> None:
    for name in ("functions", "shared"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    file = tmp_path / "functions/health/routes.json"
    described = json.loads(file.read_text())
    described["GET /nowhere"] = described.pop("GET /health")
    file.write_text(json.dumps(described))
    with pytest.raises(openapi.DescriptionError) as refused:
        openapi.document(tmp_path)
    assert str(refused.value).splitlines() == [
        "functions/health/routes.json: GET /health: is not described",
        "functions/health/routes.json: GET /nowhere: no such route",
    ]
