"""Model prices: packaged data with source and date, made by `make prices`.

An unknown price is None, never zero: a caller that gets None refuses the model. Prices set in the config win over
these; the code for that is where the config is read (`gateway.models.model_names`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from gateway.models.geographies import geography_of, reach
from gateway.models.money import Price

_DATA = Path(__file__).parent.parent / "data" / "prices.json"


class PriceBook:
    """Prices by target (`provider/model`). `regional` rows, named `place/provider/model`, win in their place: a region,
    or a geography that a provider is bound to."""

    def __init__(self, data: Mapping[str, Any], region: str = "") -> None:
        self._models: Mapping[str, Mapping[str, Any]] = data["models"]
        self._regional: Mapping[str, Mapping[str, Any]] = data["regional"]
        self._source, self._date = str(data["source"]), str(data["date"])
        self._region = region
        self._others: dict[str, PriceBook] = {}
        self._found: dict[str, Price] = {}  # by the row's name, since clients may ask for any fine-tuned model

    @classmethod
    def load(cls, region: str = "") -> PriceBook:
        """The packaged prices for models that are called in `region`. The file is read once per process."""
        return cls(_packaged(), region)

    def find(self, target: str, region: str = "") -> Price | None:
        """The price of `provider/model` in a region (by default the book's own); None if no price is known."""
        if region not in ("", self._region):
            return self._elsewhere(region).find(target)
        name, row = self._row(target)
        price = self._found.get(name)
        if price is None and row is not None:
            price = self._found[name] = _price(row, self._source, self._date)
        return price

    def regional(self, target: str) -> bool:
        """Whether the region has its own price for a target."""
        return f"{self._region}/{target}" in self._regional

    def _elsewhere(self, region: str) -> PriceBook:
        book = self._others.get(region)
        if book is None:
            data = {"models": self._models, "regional": self._regional, "source": self._source, "date": self._date}
            book = self._others[region] = PriceBook(data, region)
        return book

    def targets(self) -> Iterable[str]:
        """The targets that may be offered here, sorted: all that have a price, except profiles that this region can't
        name, models for which it has a profile, and rows for models that others are built on (`ft:<base model>`)."""
        return sorted(filter(self._offered, {*self._models, *self._here()}))

    def _offered(self, target: str) -> bool:
        provider, _, model = target.partition("/")
        if model.startswith("ft:"):
            return False
        if not self._region:
            return True
        reached = reach(self._region)
        geography = geography_of(model)
        if geography is not None:
            return geography in reached
        return not any(f"{provider}/{each}.{model}" in self._models for each in reached)

    def _row(self, target: str) -> tuple[str, Mapping[str, Any] | None]:
        """The name and the row of a target's price. The name is the key to keep the price by; the row is None if the
        target has no price."""
        provider, _, model = target.partition("/")
        row = self._regional.get(f"{self._region}/{target}") or self._models.get(target)
        if row is None and model.startswith("ft:"):
            # ft:<base model>:<organisation>:<suffix>:<id> costs what the source lists for ft:<base model>.
            target = f"{provider}/ft:{model.split(':')[1]}"
            row = self._models.get(target)
        return target, row

    def _here(self) -> Iterable[str]:
        prefix = f"{self._region}/"
        return (name.removeprefix(prefix) for name in self._regional if name.startswith(prefix))


def _price(row: Mapping[str, Any], source: str, date: str) -> Price:
    nested: dict[str, Any] = {"capabilities": tuple(row.get("capabilities", ()))}
    if "long" in row:
        nested["long"] = _price(row["long"], source, date)
    if "tiers" in row:
        nested["tiers"] = {name: _price(tier, source, date) for name, tier in row["tiers"].items()}
    return Price(**{**row, **nested, "source": source, "date": date})


@lru_cache(maxsize=1)
def _packaged() -> Mapping[str, Any]:
    data: dict[str, Any] = json.loads(_DATA.read_bytes())
    return data
