"""The models that a key may ask for: name and target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gateway.models.model_names import ModelNames


def offered(names: ModelNames, allowed: Sequence[str] = ()) -> Mapping[str, str]:
    return {route.name: route.target for route in names.routes(allowed)}
