"""A few hundred plausible products, the same every time."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from typing import Any, NamedTuple


class _Line(NamedTuple):
    """A product line: its category path, kinds, qualities (for name and description), specifications and prices."""

    path: tuple[str, ...]
    kinds: tuple[str, ...]
    qualities: tuple[str, ...]
    specifications: dict[str, tuple[str, ...]]
    prices: tuple[int, int]


_LINES = (
    _Line(
        ("electronics", "audio", "headphones"),
        ("Over-Ear Headphones", "On-Ear Headphones", "In-Ear Earbuds"),
        ("Wireless Noise Canceling", "Wireless", "Wired Studio", "Wireless Sport"),
        {"battery": ("30 h", "40 h", "24 h"), "bluetooth": ("5.2", "5.3", "5.4"), "weight": ("250 g", "190 g", "52 g")},
        (39, 399),
    ),
    _Line(
        ("electronics", "audio", "speakers"),
        ("Bluetooth Speaker", "Soundbar", "Bookshelf Speaker"),
        ("Portable Waterproof", "Compact", "Smart"),
        {"power": ("20 W", "60 W", "120 W"), "battery": ("12 h", "20 h", "mains")},
        (29, 599),
    ),
    _Line(
        ("electronics", "computers", "laptops"),
        ("Laptop", "Ultrabook", "Gaming Laptop"),
        ("13-inch", "14-inch", "16-inch"),
        {"memory": ("16 GB", "32 GB"), "storage": ("512 GB SSD", "1 TB SSD"), "display": ("IPS", "OLED")},
        (699, 2_999),
    ),
    _Line(
        ("electronics", "phones", "smartphones"),
        ("Smartphone",),
        ("Compact", "Pro", "Ultra", "Lite"),
        {"storage": ("128 GB", "256 GB"), "camera": ("50 MP", "108 MP"), "battery": ("4500 mAh", "5000 mAh")},
        (249, 1_299),
    ),
    _Line(
        ("home", "kitchen", "coffee"),
        ("Espresso Machine", "Coffee Grinder", "Pour-Over Set"),
        ("Automatic", "Manual", "Compact"),
        {"material": ("stainless steel", "ceramic"), "capacity": ("0.6 l", "1.2 l", "1.8 l")},
        (24, 899),
    ),
    _Line(
        ("home", "furniture", "chairs"),
        ("Office Chair", "Dining Chair", "Lounge Chair"),
        ("Ergonomic", "Oak", "Mesh"),
        {"load": ("120 kg", "150 kg"), "adjustable": ("yes", "no")},
        (79, 799),
    ),
    _Line(
        ("sports", "outdoor", "backpacks"),
        ("Hiking Backpack", "Daypack", "Travel Backpack"),
        ("Lightweight", "Waterproof", "Recycled"),
        {"volume": ("20 l", "35 l", "55 l"), "weight": ("0.7 kg", "1.3 kg")},
        (39, 299),
    ),
    _Line(
        ("sports", "running", "shoes"),
        ("Running Shoe", "Trail Shoe"),
        ("Cushioned", "Lightweight", "Stability"),
        {"drop": ("4 mm", "8 mm"), "weight": ("220 g", "280 g")},
        (69, 249),
    ),
)
_MAKERS = ("Aurel", "Brevik", "Corvid", "Dunmore", "Eskil", "Fennec")
_SELLERS = ("Gateway Store", "Northwind Traders", "Harbour Goods")
_AVAILABILITY = ("in_stock", "in_stock", "in_stock", "limited", "preorder", "out_of_stock")


def products() -> Iterator[dict[str, Any]]:
    """Each product in the form in which an admin creates it."""
    choose = random.Random(20_261_124)  # noqa: S311  the same catalogue every time
    for number, (line, maker) in enumerate(_combinations(), start=1):
        kind, quality = choose.choice(line.kinds), choose.choice(line.qualities)
        specifications = {name: choose.choice(values) for name, values in line.specifications.items()}
        model = f"{maker[:2].upper()}-{choose.randrange(100, 999)}"
        category = line.path[-1]
        yield {
            "id": f"prod-{number:04d}",
            "name": f"{maker} {model} {quality} {kind}",
            "description": (
                f"{quality} {kind.lower()} by {maker}: "
                + ", ".join(f"{name} {value}" for name, value in specifications.items())
                + "."
            ),
            "price": {
                "amount": choose.randrange(*line.prices) + choose.choice((0, 0.49, 0.99)),
                "currency": "USD",
                "discount": choose.choice((0, 0, 0, 5, 10, 20)),
            },
            "availability": choose.choice(_AVAILABILITY),
            "category": {"path": list(line.path)},
            "specifications": specifications,
            "images": [f"https://images.example.com/prod-{number:04d}.jpg"],
            "rating": {"average": choose.randrange(30, 50) / 10, "count": choose.randrange(3, 2_400)},
            "seller": choose.choice(_SELLERS),
            "tags": sorted({*quality.lower().split(), category, maker.lower()}),
        }


def _combinations() -> Iterator[tuple[_Line, str]]:
    return itertools.product(_LINES * 7, _MAKERS)
