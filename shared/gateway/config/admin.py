"""The config, as admins read and change it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field

from gateway.config.checks import check, check_patch, missing
from gateway.config.document import Config, parse_config
from gateway.config.patches import composed, effective_patch, merge_patch
from gateway.config.service import OverridesStore, defaults
from gateway.destinations import Destinations
from gateway.errors import BadRequest, Conflict, PreconditionFailed
from gateway.models.model_names import ModelNames, Prices

_MOST_BYTES = 65_536  # of the overrides as JSON: far below the limit of an item, and each container reads them


class ConfigAdmin(Struct, frozen=True):
    """Reads and changes the config, for admins. `providers` are those of the deployment, models are called in `region`,
    and a provider of the config must be at one of `destinations`."""

    store: OverridesStore
    prices: Prices
    providers: tuple[str, ...]
    region: str = ""
    destinations: Destinations = field(default_factory=Destinations)

    def effective(self) -> tuple[int, dict[str, Any]]:
        """The current version and its whole document."""
        overrides = self.store.current(consistent=True)
        return overrides.version, _document(merge_patch(defaults(), overrides.document))

    def update(self, patch: Mapping[str, Any], *, by: str, at: str, if_match: int | None) -> tuple[int, dict[str, Any]]:
        """Apply a merge patch. Raises BadRequest (also if the config would become too large), PreconditionFailed or
        Conflict; then nothing is changed."""
        if not patch:
            raise BadRequest("The update is empty; send the parts to change, for example rateLimits.")
        current = self.store.current(consistent=True)
        if if_match is not None and if_match != current.version:
            raise PreconditionFailed(f"The config is at version {current.version}, not {if_match}.", param="If-Match")
        document = effective_patch(composed(current.document, patch), defaults())
        effective = merge_patch(defaults(), document)
        config = parse_config(effective)
        check_patch(patch, config)
        check(config, self._model_names(config), self.destinations)
        size = len(json.dumps(document, separators=(",", ":")))
        if size > _MOST_BYTES:
            raise BadRequest(
                f"The changes of the config would take {size:,} bytes as JSON, more than {_MOST_BYTES:,}: remove models"
                " or prices that nobody needs.",
                code="config_too_large",
            )
        saved = self.store.save(current, document, by=by, at=at)
        if saved is None:
            raise Conflict("The config was changed by someone else meanwhile; read it and try again.")
        return saved.version, _document(effective)

    def missing(self, document: Mapping[str, Any]) -> list[dict[str, str]]:
        """What an effective document does not say about the models that it offers: the field, and what is unknown
        without it."""
        config = parse_config(document)
        return missing(config, self._model_names(config))

    def _model_names(self, config: Config) -> ModelNames:
        return ModelNames(config, self.prices, self.providers, self.region)


def _document(effective: Mapping[str, Any]) -> dict[str, Any]:
    document = parse_config(effective).model_dump(mode="json", by_alias=True)
    # For an alias, only the fields that are set: it is answered by a target or by models.
    said = {name: {field: value for field, value in each.items() if value} for name, each in document["models"].items()}
    return document | {"models": said}
