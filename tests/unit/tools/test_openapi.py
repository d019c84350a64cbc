"""The OpenAPI document: valid, complete, and the same as the functions' own descriptions."""

import json

import pytest
from msgspec.structs import replace
from openapi_spec_validator import validate
from pydantic import BaseModel

from gateway.api.routes import Described
from gateway.config.document import parse_config
from gateway.config.service import defaults
from gateway.identity.records import KeyRecord, TeamRecord, UserRecord
from gateway.keys import key_fields, teams, users
from tools import openapi
from tools.local.emulator import ROOT
from tools.manifest import load


def test_what_is_committed_is_what_the_functions_say() -> None:
    assert openapi.OUT.read_text(encoding="utf-8") == openapi.text(), "run `make openapi`"


def test_it_is_valid_and_has_every_route() -> None:
    document = json.loads(openapi.OUT.read_text(encoding="utf-8"))
    validate(document)
    operations = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    routes = {
        tuple(route.replace("+}", "}").split(" ")) for each in load(ROOT).functions.values() for route in each.routes
    }
    assert operations == routes
    for path, methods in document["paths"].items():
        for operation in methods.values():
            assert operation["summary"], path


def test_it_has_whatever_is_shown_of_a_key_a_team_a_user_and_the_config() -> None:
    schemas = json.loads(openapi.OUT.read_text(encoding="utf-8"))["components"]["schemas"]
    key = KeyRecord("a", "b", "c", "free", (), "2026-11-24T00:00:00.000Z")
    answered = {
        "Key": key_fields.shown(key),
        "Team": teams.shown(TeamRecord("a", "b", key.created)),
        "User": users.shown(UserRecord("a", "b", key.created)),
        "Config": parse_config(defaults()).model_dump(by_alias=True),
    }
    for name, shown in answered.items():
        assert set(schemas[name]["properties"]) == set(shown), name
    assert set(schemas["ConfigPatch"]["properties"]) == set(answered["Config"])


def test_routes_that_do_not_agree_are_named() -> None:
    manifest = load(ROOT)
    tables = dict(openapi.tables(manifest))
    openapi.agreed(manifest, tables)
    named = {route.method_path: route for route in tables["health"]}
    wrong = {
        "GET /health": replace(named["GET /health"], method_path="GET /nowhere"),
        "GET /openapi.json": replace(named["GET /openapi.json"], auth="bearer"),
    }
    tables["health"] = [*(named | wrong).values()]
    tables["mcp"] = []
    with pytest.raises(openapi.DescriptionError) as refused:
        openapi.document(manifest, tables)
    said = str(refused.value).splitlines()
    assert [line for line in said if "/health/" in line] == [
        "functions/health/function.json: routes.GET /health: the handler has no such route",
        "functions/health/function.json: routes.GET /nowhere: is missing, the handler has it",
        "functions/health/function.json: routes.GET /openapi.json: is public, the handler says bearer",
    ]
    assert len(said) == 3 + len(manifest.functions["mcp"].routes)


def test_two_types_of_one_name_are_refused() -> None:
    manifest = load(ROOT)
    tables = dict(openapi.tables(manifest))
    first, *others = tables["health"]
    taken = {200: "functions.completions.answers:Model", 201: f"{__name__}:Model"}
    tables["health"] = [replace(first, described=Described(summary="Two models.", answers=taken)), *others]
    with pytest.raises(openapi.DescriptionError, match="two types are called Model"):
        openapi.document(manifest, tables)


class Model(BaseModel):
    """A name that another model has too."""
