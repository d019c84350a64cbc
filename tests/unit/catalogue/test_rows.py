"""CSV of products: rows that a spreadsheet exports become the products that an admin would have written."""

import pytest

from gateway.catalogue.products import parse_new
from gateway.catalogue.rows import UnreadLine, rows_of_csv
from gateway.errors import BadRequest

HEADER = "id,name,price,category,currency,discount,specifications,images,tags,rating,rating_count\n"
FULL = 'p-1,"Mug, blue",12.50,home/kitchen,EUR,10,"{""material"": ""clay""}",https://a.example/1|https://a.example/2,a|b,4.5,7\n'


def test_a_line_is_a_product() -> None:
    (row,) = rows_of_csv("\ufeff" + HEADER + FULL, 10)
    assert isinstance(row, dict)
    made = parse_new(row)
    assert (made.id, made.name, made.price.cents, made.price.currency) == ("p-1", "Mug, blue", 1_125, "EUR")
    assert (made.category.path, made.tags, len(made.images)) == (("home", "kitchen"), ("a", "b"), 2)
    assert made.specifications == {"material": "clay"}
    assert made.rating is not None
    assert made.rating.count == 7


@pytest.mark.parametrize(
    ("line", "param"),
    [
        ("p,Mug,cheap,home,,,,,,,\n", "price"),
        ("p,Mug,NaN,home,,,,,,,\n", "price"),
        ("p,Mug,1,home,,half,,,,,\n", "discount"),
        ("p,Mug,1,home,,,[1],,,,\n", "specifications"),
        ("p,Mug,1,home,,,,,,4,few\n", "rating_count"),
        ("p,Mug,1\n", None),
        ("p,Mug,1,home,,,,,,,,,,\n", None),
    ],
)
def test_a_line_that_cannot_be_read_spoils_no_other(line: str, param: str | None) -> None:
    bad, good = rows_of_csv(HEADER + line + FULL, 10)
    assert isinstance(bad, UnreadLine)
    assert (bad.error.param, bad.id) == (param, "p")
    assert isinstance(good, dict)


@pytest.mark.parametrize(
    "text", ["", "id,name\n", HEADER.replace("tags", "tag"), HEADER.replace("tags", "id"), HEADER + 'p,"Mug' + "\n"]
)
def test_a_file_that_is_no_table_is_refused_whole(text: str) -> None:
    with pytest.raises(BadRequest) as refused:
        rows_of_csv(text, 10)
    assert refused.value.code == "invalid_csv"


def test_too_many_lines_are_refused() -> None:
    with pytest.raises(BadRequest):
        rows_of_csv(HEADER + FULL * 11, 10)
