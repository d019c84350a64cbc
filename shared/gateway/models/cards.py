"""Model cards: what a model is, whichever provider serves it. Packaged data with its sources, made by `make prices`.

A card has the model's ids by vendor (the one to call first leads; inference profiles of each geography are among them),
its family, the date it was made, and its successor if it reaches an end of life. Facts that differ by vendor and
geography are with the price.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from msgspec import Struct

from gateway.models.geographies import geography_of

_DATA = Path(__file__).parent.parent / "data" / "models.json"


class Card(Struct, frozen=True):
    """One model. `created` is a date (YYYY-MM-DD). It is empty if unknown, like `family` and `successor`."""

    name: str
    at: Mapping[str, tuple[str, ...]]
    family: str = ""
    created: str = ""
    successor: str = ""


class Cards:
    """Cards by name, and by every id that a vendor has for the model."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._models: Mapping[str, Mapping[str, Any]] = data["models"]

    @classmethod
    def load(cls) -> Cards:
        """The packaged cards. The file is read once per process, when a card is first asked for."""
        return _packaged()

    def named(self, name: str) -> Card | None:
        """The model with this name, which is its name here or at any vendor."""
        return self._card(name if name in self._models else self._names.get(name, ""))

    def of(self, target: str) -> Card | None:
        """The model of a target (`provider/model`)."""
        return self._card(self._targets.get(target, ""))

    def all(self) -> tuple[Card, ...]:
        return tuple(card for name in self._models if (card := self._card(name)))

    def _card(self, name: str) -> Card | None:
        said = self._models.get(name)
        if said is None:
            return None
        at = {vendor: tuple(ids) for vendor, ids in said["at"].items()}
        return Card(name, at, said.get("family", ""), said.get("created", ""), said.get("successor", ""))

    @cached_property
    def _targets(self) -> Mapping[str, str]:
        return {
            f"{vendor}/{model}": name
            for name, said in self._models.items()
            for vendor, ids in said["at"].items()
            for model in ids
        }

    @cached_property
    def _names(self) -> Mapping[str, str]:
        """Names by id, without the ids of profiles: a profile is asked for by its id, in the region that can name
        it."""
        own = ((target.partition("/")[2], name) for target, name in self._targets.items())
        return {model: name for model, name in own if geography_of(model) is None}


@lru_cache(maxsize=1)
def _packaged() -> Cards:
    return Cards(json.loads(_DATA.read_bytes()))
