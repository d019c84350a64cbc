"""schemathesis on the OpenAPI document: the real functions over DynamoDB Local give only answers that the document
describes.

Every request goes through the real authorizer and the real handlers, in this process, as events of the HTTP API.
"""

import json
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import CHECKS
from schemathesis.core.result import Ok

from tests.contract.front import Gateway
from tools.local.emulator import ROOT
from tools.manifest import load
from tools.openapi import OUT

EXAMPLES = 12
CHECKED = ("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance")


@pytest.mark.parametrize("folder", ["health", "completions", "mcp", "admin"])
def test_no_answer_that_the_document_does_not_say(gateway: Gateway, folder: str) -> None:
    application, key = gateway.front, gateway.keys["admin"]
    document = json.loads(OUT.read_text(encoding="utf-8"))
    schema = schemathesis.openapi.from_dict(document)
    schema.app = application
    checks = [CHECKS.get_one(name) for name in CHECKED]
    headers = {"x-api-key": key, "authorization": f"Bearer {key}"}
    tried, statuses = 0, set()
    for result in schema.get_all_operations():
        assert isinstance(result, Ok), result
        operation = result.ok()
        if operation.tags != [folder]:
            continue
        tried += 1

        @settings(
            max_examples=EXAMPLES,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def ask(case: Any) -> None:
            statuses.add(case.call_and_validate(headers=headers, checks=checks).status_code)

        ask()
    routes = load(ROOT).functions[folder].routes
    assert tried == len(routes)
    assert 200 in statuses
