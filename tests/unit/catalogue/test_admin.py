"""The actions of admins on products."""

from typing import Any

import pytest

from gateway.catalogue.admin import MOST_ROWS, ProductAdmin
from gateway.catalogue.rows import rows_of_csv
from gateway.errors import BadRequest, Conflict, NotFound, PreconditionFailed
from gateway.identity.caller import Caller
from tests.fakes.database import Clock
from tests.fakes.products import MemoryProducts, described

BY = Caller("admin1", "enterprise", ("admin",), version=1)


class Desk:
    """An admin's service on an empty catalogue, and a clock."""

    def __init__(self) -> None:
        self.records, self.clock = MemoryProducts(), Clock()
        self.admin = ProductAdmin(self.records, self.clock)

    def load(self, *rows: Any, seconds: float = 60.0) -> Any:
        return self.admin.load(rows, BY, lambda: seconds)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_create_change_replace_delete(desk: Desk) -> None:
    made = desk.admin.create(described(), BY)
    assert (made.version, desk.records.categories()) == (1, ["electronics/audio/headphones"])
    desk.clock.advance(60)
    changed = desk.admin.change("p-1", {"price": {"amount": 50}, "tags": None}, BY, if_match=1)
    assert (changed.version, changed.product.price.cents, changed.product.tags) == (2, 4_500, ())
    assert changed.product.created == made.product.created < changed.product.updated
    body = described(name="Other", availability="limited")
    replaced = desk.admin.replace("p-1", body, BY, if_match=None)
    assert (replaced.version, desk.admin.get("p-1")) == (3, replaced)
    desk.admin.delete("p-1", BY, if_match=3)
    with pytest.raises(NotFound):
        desk.admin.get("p-1")


def test_a_product_without_an_id_gets_one(desk: Desk) -> None:
    body = described()
    del body["id"]
    first, second = desk.admin.create(body, BY), desk.admin.create(body, BY)
    assert first.product.id.startswith("prod_")
    assert first.product.id != second.product.id


def test_what_stands_is_not_overwritten_unseen(desk: Desk) -> None:
    desk.admin.create(described(), BY)
    with pytest.raises(Conflict):
        desk.admin.create(described(), BY)
    for act in (
        lambda: desk.admin.change("p-1", {"seller": "x"}, BY, if_match=9),
        lambda: desk.admin.delete("p-1", BY, if_match=9),
    ):
        with pytest.raises(PreconditionFailed):
            act()
    with pytest.raises(BadRequest) as refused:
        desk.admin.change("p-1", {"id": "p-2"}, BY, None)
    assert refused.value.param == "id"
    with pytest.raises(BadRequest):
        desk.admin.change("p-1", {"price": None}, BY, None)
    assert desk.admin.get("p-1").version == 1


def test_an_import_reports_each_row_that_was_refused_and_takes_the_others(desk: Desk) -> None:
    desk.admin.create(described(id="old"), BY)
    unnamed = described()
    del unnamed["id"]
    report = desk.load(described(id="a"), described(id="b", availability="no"), described(id="old"), 5, unnamed)
    assert (report.received, report.created, report.updated) == (5, 1, 1)
    assert [(each["row"], each["id"], each["param"]) for each in report.refused] == [
        (2, "b", "availability"),
        (4, None, None),
        (5, None, "id"),
    ]
    assert desk.admin.get("old").version == 2


def test_an_import_of_csv(desk: Desk) -> None:
    text = "id,name,price,category\na,Mug,3,home/kitchen\nb,Mug,free,home/kitchen\n"
    report = desk.load(*rows_of_csv(text, 10))
    assert (report.created, [each["row"] for each in report.refused]) == (1, [2])


def test_an_import_ends_in_time_and_says_what_it_did_not_attempt(desk: Desk) -> None:
    report = desk.load(described(), seconds=1.0)
    assert (report.created, report.refused[0]["code"]) == (0, "not_attempted")


@pytest.mark.parametrize("number", [0, MOST_ROWS + 1])
def test_an_import_has_a_size(desk: Desk, number: int) -> None:
    with pytest.raises(BadRequest):
        desk.load(*[described()] * number)
