"""The effective config: packaged defaults under the stored overrides, read again at most every ten seconds."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from typing import Any, Protocol

from gateway import observability
from gateway.config.document import (
    Alias,
    Config,
    ConfiguredVendor,
    parse_config,
)
from gateway.config.patches import composed, effective_patch, merge_patch
from gateway.config.store import Overrides
from gateway.destinations import Destinations
from gateway.errors import BadRequest, Conflict, GatewayError, PreconditionFailed, StoreUnavailable
from gateway.models.geographies import geography_of, nearest, reach
from gateway.models.model_names import ModelNames, Prices
from gateway.models.vendors import Vendor, packaged

_FRESH_SECONDS = 10.0
_MOST_BYTES = 65_536  # of the overrides as JSON: far below what an item holds, and each container reads them


class OverridesStore(Protocol):
    def current(self, *, consistent: bool = False) -> Overrides: ...
    def save(self, replaced: Overrides, document: Mapping[str, Any], *, by: str, at: str) -> Overrides | None: ...


@lru_cache(maxsize=2)
def defaults(region: str = "") -> Mapping[str, Any]:
    """The packaged config document as it is where models are called in `region`.

    An alias whose target stands there by geography has the nearest one's, and is left out where the region reaches
    none. Without a region it has the world's (`global.`).
    """
    text = resources.files("gateway").joinpath("data", "config.json").read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text)
    models = {name: _target(model["target"], region) for name, model in document["models"].items()}
    return document | {"models": {name: {"target": target} for name, target in models.items() if target}}


def _target(packaged: str | Mapping[str, str], region: str) -> str | None:
    return packaged if isinstance(packaged, str) else nearest(packaged, region)


@dataclass(slots=True)
class ConfigSource:
    """The last good config of this container. `clock` gives seconds of a steady clock; `region` is where models are
    called."""

    store: OverridesStore
    clock: Callable[[], float] = time.monotonic
    region: str = ""
    _config: Config | None = None
    _version: int = -1
    _read: float = 0.0

    def get(self) -> Config:
        """Raises StoreUnavailable only where nothing good was ever read: limits are not guessed."""
        now = self.clock()
        if self._config is not None and now - self._read < _FRESH_SECONDS:
            return self._config
        try:
            overrides = self.store.current()
            if self._config is None or overrides.version != self._version:
                self._config = parse_config(merge_patch(defaults(self.region), overrides.document))
                self._version = overrides.version
        except GatewayError as error:
            observability.log.error("config could not be read", extra={"reason": error.code, "param": error.param})
            if self._config is None:
                raise StoreUnavailable("The config can't be read; try again.", retry_after=1) from error
        self._read = now
        return self._config


@dataclass(frozen=True, slots=True)
class ConfigAdmin:
    """Reading and changing the config, for admins. `providers` are the deployment's, models are called in `region`,
    and a provider of the config may be at one of `destinations`."""

    store: OverridesStore
    prices: Prices
    providers: tuple[str, ...]
    region: str = ""
    destinations: Destinations = field(default_factory=Destinations)

    def effective(self) -> tuple[int, dict[str, Any]]:
        """The current version and its whole document."""
        overrides = self.store.current(consistent=True)
        return overrides.version, _document(merge_patch(defaults(self.region), overrides.document))

    def update(self, patch: Mapping[str, Any], *, by: str, at: str, if_match: int | None) -> tuple[int, dict[str, Any]]:
        """Apply a merge patch. Raises BadRequest (nothing is changed; also where the config would become too large),
        PreconditionFailed, Conflict."""
        if not patch:
            raise BadRequest("The update is empty; send the parts to change, for example rateLimits.")
        current = self.store.current(consistent=True)
        if if_match is not None and if_match != current.version:
            raise PreconditionFailed(f"The config is at version {current.version}, not {if_match}.", param="If-Match")
        document = effective_patch(composed(current.document, patch), defaults(self.region))
        effective = merge_patch(defaults(self.region), document)
        self._check(parse_config(effective))
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

    def _check(self, config: Config) -> None:
        for name, vendor in config.vendors.items():
            self._check_vendor(name, vendor)
        model_names = ModelNames(config, self.prices, self.providers)
        for target in config.prices:
            if target.partition("/")[0] not in (*packaged(), *config.vendors):
                raise _unknown(f"prices.{target}", target)
        usual = defaults(self.region)["models"]
        for name, model in config.models.items():
            # A packaged alias of a provider that this deployment does without is no mistake of who changes the config.
            as_packaged = usual.get(name) == {"target": model.target}
            if model.target.partition("/")[0] not in model_names.usable() and not as_packaged:
                raise _unknown(f"models.{name}.target", model.target)
            if any(model_names.price(model.target, region) is None for region in model.regions or ("",)):
                raise BadRequest(
                    f"models.{name}.target: no price is known for {model.target}; set one under prices",
                    param=f"models.{name}.target",
                    code="model_not_priced",
                )
            called = {**packaged(), **config.providers}[model.target.partition("/")[0]]
            _check_endpoint(f"models.{name}.endpoint", model, called)
            _check_regions(f"models.{name}.regions", model, called)
            if model.deployment is not None and called.regional:
                path = f"models.{name}.deployment"
                raise BadRequest(f"{path}: {called.name} has no deployments: its models' ids are targets", param=path)

    def _check_vendor(self, name: str, vendor: ConfiguredVendor) -> None:
        def refused(field: str, reason: str) -> BadRequest:
            path = f"vendors.{name}{field}"
            return BadRequest(f"{path}: {reason}", param=path)

        if name in packaged():
            raise refused("", "is the name of a packaged provider; choose another")
        called = vendor.vendor(name)
        if not called.base_url:
            raise refused(".baseUrl", "is required: where the host is")
        try:
            self.destinations.check(called.base_url)
        except ValueError as reason:
            raise refused(".baseUrl", str(reason)) from None
        paths = (each.path for each in called.endpoints.values())
        path = next((each for each in paths if _ends_in(called.base_url, each)), None)
        if path:
            raise refused(".baseUrl", f"must end where {path} goes on: leave that off")
        if vendor.credential == "key" and not called.secret:
            raise refused(".secret", 'is required: the name of the secret with its key; or say "credential": "none"')
        if vendor.credential == "none" and vendor.secret is not None:
            raise refused(".secret", 'is of no use with "credential": "none"')


def _check_regions(path: str, model: Alias, vendor: Vendor) -> None:
    def refused(at: str, reason: str) -> BadRequest:
        return BadRequest(f"{path}{at}: {reason}", param=f"{path}{at}")

    if model.regions and not vendor.regional:
        raise refused("", f"{vendor.name} has no regions")
    geography = geography_of(model.target.partition("/")[2])
    for number, region in enumerate(model.regions):
        if region in model.regions[:number]:
            raise refused(f"[{number}]", "is there twice")
        if geography is not None and geography not in reach(region):
            raise refused(f"[{number}]", f"{region} can't call a profile of {geography}")


def _check_endpoint(path: str, model: Alias, vendor: Vendor) -> None:
    if model.endpoint is not None and model.endpoint not in vendor.endpoints:
        there = ", ".join(vendor.endpoints)
        raise BadRequest(f"{path}: {vendor.name} has no endpoint of this name, but {there}", param=path)


def _ends_in(base_url: str, path: str) -> bool:
    return base_url.rstrip("/").lower().endswith(f"/{path.strip('/')}")


def _unknown(path: str, target: str) -> BadRequest:
    vendor = target.partition("/")[0]
    return BadRequest(
        f"{path}: there is no provider {vendor} here; add it under vendors, or remove this entry too", param=path
    )


def _document(effective: Mapping[str, Any]) -> dict[str, Any]:
    return parse_config(effective).model_dump(mode="json", by_alias=True)
