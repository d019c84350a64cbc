"""The catalogue on a deployed gateway: REST, the admin's routes, and products in a prompt."""

import json
from typing import Any

import pytest

from tests.integration.conftest import Live

HEADPHONES = "wireless headphones noise canceling"


def get(gateway: Live, path: str, key: str = "basic") -> Any:
    reply = gateway.call("GET", path, headers={"x-api-key": gateway.keys[key]})
    assert reply.status == 200, reply.text
    return reply.body


def test_a_search_finds_the_headphones(gateway: Live) -> None:
    found = get(gateway, "/api/v1/products/search?q=wireless%20headphones%20noise%20canceling")["products"]
    assert all("Wireless Noise Canceling" in each["name"] for each in found[:3])
    assert get(gateway, f"/api/v1/products/{found[0]['id']}") == found[0]


def test_a_listing_is_paged(gateway: Live) -> None:
    path = "/api/v1/products?category=electronics/audio&minPrice=100&availability=in_stock&limit=10"
    seen: list[Any] = []
    cursor = ""
    while True:
        page = get(gateway, path + (f"&cursor={cursor}" if cursor else ""))
        seen += page["products"]
        cursor = page["nextCursor"]
        if not cursor:
            break
    assert len({each["id"] for each in seen}) == len(seen) > 10
    prices = [each["price"]["final"] for each in seen]
    assert prices == sorted(prices)
    assert prices[0] >= 100


def test_an_admins_product_is_found_until_it_is_deleted(gateway: Live) -> None:
    body = {
        "id": "it-1",
        "name": "Zephyrine Kettle",
        "price": {"amount": 49.9},
        "category": {"path": ["home", "kitchen"]},
    }
    made = gateway.admin("POST", "/products", body)
    assert (made.status, made.headers["etag"]) == (201, '"1"')
    assert get(gateway, "/api/v1/products/search?q=zephyrine")["products"][0]["id"] == "it-1"
    changed = gateway.admin("PATCH", "/products/it-1", {"name": "Other Kettle"}, if_match='"1"')
    assert changed.status == 200
    assert get(gateway, "/api/v1/products/search?q=zephyrine")["products"] == []
    assert gateway.admin("DELETE", "/products/it-1", if_match='"1"').status == 412
    assert gateway.admin("DELETE", "/products/it-1").status == 200
    assert gateway.call("GET", "/api/v1/products/it-1", headers={"x-api-key": gateway.keys["basic"]}).status == 404


def test_an_import_of_csv_reports_its_refused_rows(gateway: Live) -> None:
    text = "id,name,price,category,tags\nit-2,Quillon Lamp,12.5,home/lamps,brass|desk\nit-3,Lamp,free,home/lamps,\n"
    report = gateway.admin("POST", "/products/import", text.encode(), content_type="text/csv")
    assert report.status == 200, report.text
    assert (report.body["created"], [each["row"] for each in report.body["refused"]]) == (1, [2])
    assert gateway.admin("DELETE", "/products/it-2").status == 200


@pytest.mark.parametrize(("model", "provider"), [("gpt-4", "openai"), ("claude-3-sonnet", "bedrock")])
def test_products_reach_the_prompt_and_are_listed(gateway: Live, model: str, provider: str) -> None:
    key, _ = gateway.new_key()
    plain = gateway.complete(key, model=model)
    filters = {"category": "electronics", "priceRange": {"min": 50, "max": 400}, "availability": "in_stock"}
    context = {"productIds": ["prod-0300"], "searchQuery": HEADPHONES, "filters": filters}
    reply = gateway.complete(key, model=model, mcpContext=context)
    assert reply.status == 200, reply.text
    listed = reply.body["mcpContext"]["products"]
    assert listed[0]["id"] == "prod-0300"
    assert len(listed) > 1
    assert reply.headers["x-gateway-context-products"] == ", ".join(each["id"] for each in listed)
    sent = json.dumps(gateway.fake.seen[-1].body)
    assert "<product_catalogue>" in sent
    assert "mcpContext" not in sent
    assert all(each["id"] in sent for each in listed)
    assert reply.headers["x-gateway-provider"] == provider
    tokens = [each.body["usage"]["prompt_tokens"] for each in (plain, reply)]
    assert tokens[1] > tokens[0]
    assert reply.body["cost"]["total"] > plain.body["cost"]["total"]


def test_a_context_that_finds_nothing_changes_nothing(gateway: Live) -> None:
    key, _ = gateway.new_key()
    reply = gateway.complete(key, mcpContext={"searchQuery": "xylotomous"})
    assert (reply.status, reply.body["mcpContext"]) == (200, {"products": []})
    assert len(gateway.fake.seen[-1].body["messages"]) == 1


def test_a_context_needs_the_catalogues_scope(gateway: Live) -> None:
    key, _ = gateway.new_key(scopes=["completions"])
    refused = gateway.complete(key, mcpContext={"searchQuery": HEADPHONES})
    assert (refused.status, refused.body["error"]["param"]) == (403, "mcpContext")
    assert gateway.fake.seen == []


def test_the_held_estimate_counts_the_products(gateway: Live) -> None:
    key, _ = gateway.new_key(max_budget=0.005)  # enough for the question, but not for its products
    assert gateway.complete(key, max_tokens=1).status == 200
    refused = gateway.complete(key, max_tokens=1, mcpContext={"searchQuery": HEADPHONES})
    assert refused.status == 402, refused.text
    assert refused.body["error"]["code"] == "budget_exceeded"
