"""The authorizer denies by default, in both kinds of answer."""

import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from functions.authorizer.handler import handler
from gateway import wiring
from gateway.dynamodb.attributes import to_item
from gateway.identity import key_text as keys
from gateway.identity.caller import Caller
from tests.fakes.database import DownDatabase, ScriptedDatabase
from tests.fakes.wired import wired

KEY = keys.new_key()


def stored(**changes: Any) -> dict[str, Any]:
    item = {
        "id": keys.key_id(KEY),
        "digest": keys.digest(KEY),
        "name": "test",
        "tier": "premium",
        "scopes": ["completions", "models"],
        "created": "2026-11-24T00:00:00.000Z",
        "state": "active",
        "version": 4,
    }
    return {"Item": to_item(item | changes)}


@pytest.fixture(autouse=True)
def fresh(gateway_environment: None) -> Iterator[None]:
    wiring.reset()
    yield
    wiring.reset()


def http(headers: dict[str, str], source: str | None = None) -> dict[str, Any]:
    return {"version": "2.0", "type": "REQUEST", "routeArn": "arn:x", "headers": headers, "identitySource": [source]}


def test_allows_a_key_by_either_header() -> None:
    for headers in ({"x-api-key": KEY}, {"X-API-Key": KEY}, {"authorization": f"Bearer {KEY}"}):
        wired(database=ScriptedDatabase(stored()))
        answer = handler(http(headers, next(iter(headers.values()))), None)
        assert answer["isAuthorized"] is True
        assert Caller.from_context(answer["context"]).version == 4


def test_answers_a_rest_api_by_policy() -> None:
    arn = "arn:aws:execute-api:us-east-1:123456789012:api/v1/POST/chat/completions"
    wired(database=ScriptedDatabase(stored()))
    answer = handler({"type": "REQUEST", "methodArn": arn, "headers": {"Authorization": f"Bearer {KEY}"}}, None)
    (statement,) = answer["policyDocument"]["Statement"]
    assert (statement["Effect"], statement["Resource"]) == (
        "Allow",
        "arn:aws:execute-api:us-east-1:123456789012:api/v1/*",
    )
    assert answer["principalId"] == keys.key_id(KEY)
    denied = handler({"type": "REQUEST", "methodArn": arn, "headers": {}}, None)
    assert denied["policyDocument"]["Statement"][0]["Effect"] == "Deny"


@pytest.mark.parametrize(
    "answers",
    [[{}], [stored(state="revoked")], [stored(expires=1)], [stored(digest="0" * 64)], [{"Item": {"id": {"S": "x"}}}]],
    ids=["unknown", "revoked", "expired", "other-secret", "broken-record"],
)
def test_denies(answers: list[Any]) -> None:
    wired(database=ScriptedDatabase(*answers))
    assert handler(http({"x-api-key": KEY}, KEY), None) == {"isAuthorized": False, "context": {}}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-api-key": ""},
        {"x-api-key": f"{KEY}, {KEY}"},
        {"x-api-key": f"Bearer {KEY}"},
        {"authorization": KEY},
        {"authorization": "Bearer"},
        {"authorization": f"Basic {KEY}"},
        {"authorization": f"Bearer {KEY} {KEY}"},
    ],
)
def test_denies_what_has_not_the_form_of_a_key_without_a_read(headers: dict[str, str]) -> None:
    database = ScriptedDatabase()
    wired(database=database)
    for source in (None, *headers.values()):
        assert handler(http(headers, source), None)["isAuthorized"] is False
    assert database.calls == []


OTHER = keys.new_key()
_BEARER = f"Bearer {KEY}"


@pytest.mark.parametrize(
    ("headers", "source"),
    [
        ({"authorization": "Basic c2hhcmVk", "x-api-key": KEY}, "Basic c2hhcmVk"),
        ({"authorization": "Bearer", "x-api-key": KEY}, "Bearer"),
        ({"authorization": "x", "X-API-Key": KEY}, "x"),
        ({"authorization": _BEARER, "x-api-key": "x"}, "x"),
        ({"authorization": _BEARER, "x-api-key": "Bearer"}, "Bearer"),
        ({"Authorization": _BEARER}, ""),
        ({"Authorization": _BEARER}, "bearer "),
        ({"x-api-key": KEY}, " "),
        ({"x-api-key": KEY}, f"{KEY},{KEY}"),
        ({"x-api-key": KEY}, f"{KEY}, {OTHER}"),
        ({"authorization": _BEARER}, f"{_BEARER},{_BEARER}"),
        ({"authorization": KEY, "x-api-key": OTHER}, KEY),  # without the scheme
        ({"x-api-key": _BEARER, "authorization": "x"}, _BEARER),  # the other header's form
        ({"authorization": f"Bearer\t{KEY}"}, f"Bearer\t{KEY}"),
        ({"authorization": f"Bearer{KEY}"}, f"Bearer{KEY}"),
    ],
    ids=itertools.count(),
)
def test_what_is_not_in_the_identity_source_does_not_exist(headers: dict[str, str], source: str) -> None:
    """The API caches the answer by the value of the identity source. If another header decided it, it would be used for
    everybody."""
    database = ScriptedDatabase(stored())
    wired(database=database)
    assert handler(http(headers, source), None) == {"isAuthorized": False, "context": {}}
    assert database.calls == []


@pytest.mark.parametrize(
    ("headers", "source"),
    [
        ({"authorization": _BEARER, "x-api-key": OTHER}, _BEARER),
        ({"Authorization": _BEARER, "X-Api-Key": ""}, _BEARER),
        ({"authorization": f"bearer   {KEY}"}, f"bearer   {KEY}"),
        ({"authorization": f" BEARER {KEY} "}, f"BEARER {KEY}"),
        ({"x-api-key": KEY, "authorization": "Basic c2hhcmVk"}, KEY),
        ({"x-api-key": KEY, "authorization": f"Bearer {OTHER}"}, KEY),
        ({"x-api-key": KEY, "authorization": KEY}, KEY),
        ({"x-api-key": f" {KEY}"}, KEY),
        ({}, KEY),
        ({}, _BEARER),
    ],
    ids=itertools.count(),
)
def test_the_identity_source_s_key_is_the_caller(headers: dict[str, str], source: str) -> None:
    wired(database=ScriptedDatabase(stored()))
    assert handler(http(headers, source), None)["context"]["keyId"] == keys.key_id(KEY)


@pytest.mark.parametrize("source", [[], [None], [5], [KEY, KEY], None, 5, {}, [[KEY]]])
def test_denies_an_identity_source_that_is_not_one_value(source: Any) -> None:
    database = ScriptedDatabase(stored())
    wired(database=database)
    event = http({"x-api-key": KEY, "authorization": _BEARER}) | {"identitySource": source}
    assert handler(event, None)["isAuthorized"] is False
    assert database.calls == []


@pytest.mark.parametrize(
    ("event", "effect"),
    [
        ({"headers": {"X-API-Key": KEY}}, "Allow"),
        # either header may be the identity source
        ({"headers": {"X-API-Key": KEY, "Authorization": "Basic c2hhcmVk"}}, "Deny"),
        ({"headers": {"X-API-Key": KEY}, "multiValueHeaders": {"X-API-Key": [OTHER, KEY]}}, "Deny"),
        ({"headers": {}, "multiValueHeaders": {"Authorization": [_BEARER]}}, "Allow"),
        ({"headers": {"X-API-Key": KEY}, "identitySource": "Basic c2hhcmVk"}, "Deny"),
        ({"headers": {"X-API-Key": OTHER}, "identitySource": _BEARER}, "Allow"),
        ({"headers": {"X-API-Key": OTHER}, "authorizationToken": _BEARER}, "Allow"),
        ({"headers": {"X-API-Key": KEY}, "authorizationToken": "x"}, "Deny"),
        ({"headers": None}, "Deny"),
    ],
)
def test_a_rest_api_is_answered_by_its_identity_source_too(event: dict[str, Any], effect: str) -> None:
    wired(database=ScriptedDatabase(stored()))
    arn = "arn:aws:execute-api:us-east-1:123456789012:api/v1/GET/v1/models"
    answer = handler({"type": "REQUEST", "methodArn": arn} | event, None)
    assert answer["policyDocument"]["Statement"][0]["Effect"] == effect


@pytest.mark.parametrize("event", [{}, {"headers": None}, {"headers": {"x-api-key": None}}, {"headers": 5}])
def test_denies_events_of_another_shape(event: dict[str, Any]) -> None:
    wired(database=ScriptedDatabase())
    assert handler(event, None)["isAuthorized"] is False


def test_a_store_failure_is_no_refusal() -> None:
    wired(database=DownDatabase())
    for header, value in (("x-api-key", KEY), ("authorization", f"Bearer {KEY}")):
        answer = handler(http({header: value}, value), None)
        assert answer == {"isAuthorized": True, "context": {"unverified": header, "keyId": keys.key_id(KEY)}}


def test_the_header_of_the_route_decides() -> None:
    wired(database=ScriptedDatabase(stored()))
    bearer = f"Bearer {KEY}"
    assert handler(http({"x-api-key": "sk-other", "authorization": bearer}, bearer), None)["isAuthorized"] is True


def test_logs_the_id_and_never_the_key(log_lines: Callable[[], list[dict[str, Any]]]) -> None:
    wired(database=ScriptedDatabase(stored()))
    handler(http({"x-api-key": KEY}, KEY), None)
    output = json.dumps(log_lines())
    assert str(keys.key_id(KEY)) in output
    assert KEY not in output
    assert KEY[16:] not in output


def test_what_it_refuses_and_what_it_could_not_check_is_counted(log_lines: Callable[[], list[dict[str, Any]]]) -> None:
    for database, counted in (
        (ScriptedDatabase(stored()), {"Requests"}),
        (ScriptedDatabase({}), {"Requests", "Refusals"}),
        (DownDatabase(), {"Requests", "Errors"}),
    ):
        wired(database=database)
        handler(http({"x-api-key": KEY, "x-correlation-id": "corr-1"}, KEY), None)
        lines = log_lines()
        (metrics,) = [line for line in lines if "_aws" in line]
        assert {"Requests", "Errors", "Refusals"} & set(metrics) == counted
        assert {line["correlation_id"] for line in lines if "message" in line} == {"corr-1"}
        assert KEY not in json.dumps(lines)
