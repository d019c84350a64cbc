"""Checks of a config beyond its form, and what it does not say about its models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.config.document import Alias, Config, ConfiguredVendor
from gateway.destinations import Destinations
from gateway.errors import BadRequest, GatewayError
from gateway.models.endpoints import needs_profile
from gateway.models.geographies import geography_of, reach
from gateway.models.model_names import ModelNames
from gateway.models.vendors import Vendor, packaged

_UNSAID = {
    "maxInputTokens": "its window is unknown: only the provider can say that a prompt is too long",
    "maxOutputTokens": "the most that it writes is unknown: only the provider can say that a cap is too high",
    "capabilities": "its abilities are unknown: lists of models do not show them",
}


def check(config: Config, model_names: ModelNames, destinations: Destinations) -> None:
    """Raises BadRequest that names the path of the wrong entry."""
    for name, vendor in config.vendors.items():
        _check_vendor(name, vendor, destinations)
    for target in config.prices:
        if target.partition("/")[0] not in (*packaged(), *config.vendors):
            raise _unknown(f"prices.{target}", target)
    for name, alias in config.models.items():
        _check_alias(f"models.{name}", alias, model_names)
    for target, price in config.prices.items():
        if price.successor and _answers(price.successor, model_names) == target:
            path = f"prices.{target}.successor"
            raise BadRequest(f"{path}: is the model itself; name the model to ask for instead", param=path)


def check_patch(patch: Mapping[str, Any], config: Config) -> None:
    """Raises BadRequest if a change sets the models that answer an alias while the alias keeps its target, which would
    still answer: a merge patch keeps what it does not name."""
    said = patch.get("models")
    for name, entry in said.items() if isinstance(said, Mapping) else ():
        alias = config.models.get(name)
        if isinstance(entry, Mapping) and entry.get("models") and "target" not in entry and alias and alias.target:
            path = f"models.{name}.models"
            reason = 'has no effect next to a target, which is used first: remove the target too ("target": null)'
            raise BadRequest(f"{path}: {reason}", param=path)


def missing(config: Config, model_names: ModelNames) -> list[dict[str, str]]:
    """What is unknown about the models that the config itself adds: the path of the field that would say it, and why it
    matters."""
    targets = dict.fromkeys((*config.prices, *(each.target for each in config.models.values() if each.target)))
    unsaid = [
        {"param": f"prices.{target}.{field}", "message": f"{target}: {_UNSAID[field]}"}
        for target in targets
        for field in _unsaid(target, model_names)
    ]
    return unsaid + [
        {"param": f"prices.{target}.successor", "message": f"{target}: nothing here answers to '{price.successor}'"}
        for target, price in config.prices.items()
        if price.successor and not _answers(price.successor, model_names)
    ]


def _unsaid(target: str, model_names: ModelNames) -> Iterator[str]:
    price = model_names.price(target)
    if price is not None:
        said = (price.max_input_tokens, price.max_output_tokens, price.capabilities)
        yield from (field for field, value in zip(_UNSAID, said, strict=True) if not value)


def _answers(name: str, model_names: ModelNames) -> str:
    """The target that answers to a name, or an empty string."""
    try:
        return model_names.resolve(name).target
    except GatewayError:
        return ""


def _check_alias(path: str, alias: Alias, model_names: ModelNames) -> None:
    vendor = model_names.vendor(alias.target.partition("/")[0]) if alias.target else None
    if alias.target is not None:
        if alias.target.partition("/")[0] not in model_names.usable():
            raise _unknown(f"{path}.target", alias.target)
        if any(model_names.price(alias.target, region) is None for region in alias.regions or ("",)):
            raise BadRequest(
                f"{path}.target: no price is known for {alias.target}; set one under prices",
                param=f"{path}.target",
                code="model_not_priced",
            )
        if vendor is not None and needs_profile(vendor, alias.target.partition("/")[2]):
            reason = "this model answers only by an inference profile, whose id begins with a geography, such as us."
            raise BadRequest(f"{path}.target: {reason}", param=f"{path}.target", code="model_not_supported")
    for index, name in enumerate(alias.models):
        if model_names.cards.named(name) is None:
            where = f"{path}.models[{index}]"
            raise BadRequest(f"{where}: no model card has this name; name a target instead", param=where)
    _check_endpoint(f"{path}.endpoint", alias, vendor)
    _check_regions(f"{path}.regions", alias, vendor)
    _check_deployment(f"{path}.deployment", alias, vendor)


def _check_deployment(path: str, alias: Alias, vendor: Vendor | None) -> None:
    if alias.deployment is None:
        return
    if vendor is None:
        raise BadRequest(f"{path}: has no effect without a target: it names the target's model", param=path)
    if vendor.regional:
        raise BadRequest(f"{path}: {vendor.name} has no deployments: its models' ids are targets", param=path)


def _check_regions(path: str, alias: Alias, vendor: Vendor | None) -> None:
    def refused(at: str, reason: str) -> BadRequest:
        return BadRequest(f"{path}{at}: {reason}", param=f"{path}{at}")

    if alias.regions and (vendor is None or alias.target is None):
        raise refused("", "has no effect without a target, which is called there")
    if alias.regions and vendor is not None and not vendor.regional:
        raise refused("", f"{vendor.name} has no regions")
    geography = geography_of((alias.target or "").partition("/")[2])
    for number, region in enumerate(alias.regions):
        if region in alias.regions[:number]:
            raise refused(f"[{number}]", "is there twice")
        if geography is not None and geography not in reach(region):
            raise refused(f"[{number}]", f"{region} can't call a profile of {geography}")


def _check_endpoint(path: str, alias: Alias, vendor: Vendor | None) -> None:
    if alias.endpoint is None:
        return
    if vendor is None:
        raise BadRequest(f"{path}: has no effect without a target: it belongs to the target's provider", param=path)
    if alias.endpoint not in vendor.endpoints:
        there = ", ".join(vendor.endpoints)
        raise BadRequest(f"{path}: {vendor.name} has no endpoint of this name; it has {there}", param=path)


def _check_vendor(name: str, vendor: ConfiguredVendor, destinations: Destinations) -> None:
    def refused(field: str, reason: str) -> BadRequest:
        path = f"vendors.{name}{field}"
        return BadRequest(f"{path}: {reason}", param=path)

    if name in packaged():
        raise refused("", "is the name of a packaged provider; choose another")
    called = vendor.vendor(name)
    if not called.base_url:
        raise refused(".baseUrl", "is required: the address of the host")
    try:
        destinations.check(called.base_url)
    except ValueError as reason:
        raise refused(".baseUrl", str(reason)) from None
    paths = (each.path for each in called.endpoints.values())
    path = next((each for each in paths if _ends_in(called.base_url, each)), None)
    if path:
        raise refused(".baseUrl", f"must not end in {path}: leave that off")
    if vendor.credential == "key" and not called.secret:
        raise refused(".secret", 'is required: the name of the secret with its key; or set "credential": "none"')
    if vendor.credential == "none" and vendor.secret is not None:
        raise refused(".secret", 'has no effect with "credential": "none"')


def _ends_in(base_url: str, path: str) -> bool:
    return base_url.rstrip("/").lower().endswith(f"/{path.strip('/')}")


def _unknown(path: str, target: str) -> BadRequest:
    vendor = target.partition("/")[0]
    if vendor in packaged():  # no entry of the config can add it
        reason = f"this deployment does not use {vendor}; name it in its providers (GATEWAY_PROVIDERS)"
    else:
        reason = f"there is no provider {vendor} here; add it under vendors"
    return BadRequest(f"{path}: {reason}, or remove this entry too", param=path)
