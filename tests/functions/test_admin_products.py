"""The admin's product routes."""

import base64
import gzip
import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

from functions.admin.handler import handler
from gateway import wiring
from gateway.api.message import MAX_BODY_BYTES
from gateway.api.pace import Pace
from gateway.catalogue.admin import ProductAdmin
from gateway.identity.caller import Caller
from gateway.identity.store import REVOKED, KeyRecord
from tests.fakes.products import MemoryProducts, described
from tests.fakes.wired import wired

CONTEXT = SimpleNamespace(aws_request_id="aws-1", get_remaining_time_in_millis=lambda: 29_000)
ONE = "/api/v1/admin/products/{id}"


class Stored:
    """The current record of the key."""

    def __init__(self) -> None:
        self.record = KeyRecord("k", "0" * 64, "test", "free", ("admin",), "2026-11-24T00:00:00.000Z")

    def get(self, _key_id: str) -> KeyRecord:
        return self.record

    def team(self, _team_id: str) -> None:
        return None


STORED = Stored()


@pytest.fixture(autouse=True)
def fresh(gateway_environment: None) -> Iterator[None]:
    pace = Pace(lambda _caller: (1_000_000, 1_000_000))
    wired(product_admin=ProductAdmin(MemoryProducts()), key_store=STORED, pace=pace)
    yield
    wiring.reset()


def _text(body: Any) -> str:
    if isinstance(body, bytes):
        return base64.b64encode(body).decode()
    return body if isinstance(body, str) else json.dumps(body)


def call(route: str, body: Any = None, scope: str = "admin", identifier: str = "p-1", **headers: str) -> Any:
    method, _, path = route.partition(" ")
    sent = {"content-type": "application/json"} | {name.replace("_", "-"): text for name, text in headers.items()}
    event = {
        "routeKey": route,
        "rawPath": path,
        "headers": sent,
        "pathParameters": {"id": identifier},
        "body": _text(body),
        "isBase64Encoded": isinstance(body, bytes),
        "requestContext": {
            "http": {"method": method, "path": path},
            "requestId": "r",
            "authorizer": {"lambda": Caller("k", "free", (scope,), version=1).to_context()},
        },
    }
    reply = handler(event, CONTEXT)
    return SimpleNamespace(status=reply["statusCode"], body=json.loads(reply["body"]), headers=reply["headers"])


def test_the_life_of_a_product() -> None:
    made = call("POST /api/v1/admin/products", described())
    assert (made.status, made.headers["etag"], made.body["price"]["final"]) == (201, '"1"', 179.99)
    assert call("POST /api/v1/admin/products", described()).status == 409
    assert call(f"PATCH {ONE}", {"availability": "limited"}, if_match='"1"').body["availability"] == "limited"
    assert call(f"PATCH {ONE}", {"availability": "limited"}, if_match='"1"').status == 412
    assert call(f"PATCH {ONE}", {}, if_match="one").status == 400
    assert call(f"PUT {ONE}", described(seller="Other"), if_match="*").headers["etag"] == '"3"'
    assert call(f"GET {ONE}").body["seller"] == "Other"
    assert call(f"DELETE {ONE}", if_match='W/"3"').body == {"id": "p-1", "deleted": True}
    assert call(f"GET {ONE}").status == 404
    assert call(f"GET {ONE}", identifier="#categories").status == 404


def test_an_import_of_json_and_of_csv() -> None:
    route = "POST /api/v1/admin/products/import"
    reply = call(route, {"products": [described(), described(id="x", price=5)]})
    assert (reply.status, reply.body["created"], reply.body["refused"][0]["row"]) == (200, 1, 2)
    text = "id,name,price,category\np-1,Mug,3,home\np-2,Mug,,home\n"
    reply = call(route, text, content_type="text/csv; charset=utf-8")
    assert (reply.body["received"], reply.body["updated"]) == (2, 1)
    assert [(each["row"], each["id"], each["param"]) for each in reply.body["refused"]] == [(2, "p-2", "price")]
    wrongs: tuple[dict[str, Any], ...] = ({"products": 5}, {"rows": []}, {"products": []})
    for wrong in wrongs:
        assert call(route, wrong).status == 400
    assert call(route, "a,b\n", content_type="text/csv").body["error"]["code"] == "invalid_csv"
    assert call(route, text, content_type="text/plain").status == 415


def test_categories_are_stored_by_their_names_however_they_are_written() -> None:
    made = call("POST /api/v1/admin/products", described(category={"path": ["Electronics", "Home Audio"]}))
    assert made.body["category"] == {"path": ["electronics", "home-audio"], "name": "home-audio"}
    text = "id,name,price,category\np-7,Mug,3,Home & Kitchen/ Mugs \n"
    assert call("POST /api/v1/admin/products/import", text, content_type="text/csv").body["created"] == 1
    assert call(f"GET {ONE}", identifier="p-7").body["category"]["path"] == ["home-kitchen", "mugs"]


def test_an_import_may_come_packed_and_in_no_charset_but_utf_8() -> None:
    route = "POST /api/v1/admin/products/import"
    text = "\ufeffid,name,price,category\np-8,Müg,3,home\n".encode()
    packed = {"content_type": "application/csv", "content_encoding": "gzip"}
    assert call(route, gzip.compress(text), **packed).body["created"] == 1
    assert call(f"GET {ONE}", identifier="p-8").body["name"] == "Müg"
    assert call(route, gzip.compress(b"x" * (MAX_BODY_BYTES + 1)), **packed).status == 413
    assert call(route, gzip.compress(text)[:-3], **packed).status == 400
    assert call(route, text, content_type="text/csv; charset=iso-8859-1").status == 415
    assert call(route, "id,Ü".encode("latin-1"), content_type="text/csv").body["error"]["code"] == "invalid_csv"


def test_only_admins_write() -> None:
    for method, path in (
        ("POST", "/api/v1/admin/products"),
        ("DELETE", ONE),
        ("PUT", ONE),
        ("PATCH", ONE),
        ("GET", ONE),
    ):
        assert call(f"{method} {path}", described(), scope="catalogue").status == 403


@pytest.mark.parametrize(("changes", "status"), [({"state": REVOKED}, 401), ({"scopes": ("models",)}, 403)])
def test_a_key_that_is_no_admin_s_any_more_changes_nothing_though_the_authorizer_s_answer_is_cached(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], status: int
) -> None:
    monkeypatch.setattr(STORED, "record", replace(STORED.record, **changes))
    assert call("POST /api/v1/admin/products", described()).status == status
