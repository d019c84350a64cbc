"""The words of the OpenAPI document: everything is described, and every description describes something."""

import json
from typing import Any

import pytest

from tools import described, openapi


def test_everything_that_a_client_sends_or_reads_is_described() -> None:
    document = json.loads(openapi.OUT.read_text(encoding="utf-8"))
    for name, schema in document["components"]["schemas"].items():
        for field, each in schema.get("properties", {}).items():
            assert name == "CodexModel" or each["description"], f"{name}.{field}"
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert all(each["description"] for each in operation.get("parameters", ())), path


def test_a_type_has_its_own_words_for_a_field_and_shares_others(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = {"id": "The id.", "Key.id": "The id of the key.", "nobody": "Unused."}
    monkeypatch.setattr(described, "WORDS", {"fields": fields, "parameters": {"keys/{id}": "Which key."}})
    schemas: dict[str, Any] = {
        "Key": {"properties": {"id": {}}},
        "Team": {"properties": {"id": {}, "size": {}, "name": {"description": "Its own."}}},
    }
    paths: dict[str, Any] = {"/keys/{id}": {"get": {"parameters": [{"name": "id"}, {"name": "limit"}]}}}
    document = {"components": {"schemas": schemas}, "paths": paths}
    assert described.describe(document) == [
        "tools/described.json: fields: Team.size is not described",
        "tools/described.json: parameters: limit of get /keys/{id} is not described",
        "tools/described.json: fields: nobody describes nothing",
    ]
    assert schemas["Key"]["properties"]["id"] == {"description": "The id of the key."}
    assert schemas["Team"]["properties"] == {
        "id": {"description": "The id."},
        "size": {},
        "name": {"description": "Its own."},
    }
    assert paths["/keys/{id}"]["get"]["parameters"][0] == {"name": "id", "description": "Which key."}
