"""From the name a client asks for to a provider's model and its price."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from gateway.errors import BadRequest, GatewayError, NotFound
from gateway.models.money import Price
from gateway.models.vendors import packaged


class Alias(Protocol):
    """A name that clients use, the `provider/model` that answers to it, the endpoint it is called at, if that is not
    chosen by the client's dialect, the regions, in order, if not the deployment's, and what the provider calls it, if
    not by the target's name."""

    @property
    def target(self) -> str: ...
    @property
    def endpoint(self) -> str | None: ...
    @property
    def regions(self) -> Sequence[str]: ...
    @property
    def deployment(self) -> str | None: ...


class Offer(Protocol):
    """What a config offers: aliases by name, prices that win over the price list's, by target, and providers of its
    own, by name."""

    @property
    def models(self) -> Mapping[str, Alias]: ...
    @property
    def price_overrides(self) -> Mapping[str, Price]: ...
    @property
    def vendors(self) -> Mapping[str, object]: ...


class Prices(Protocol):
    """Where prices come from: `find("provider/model")`, as it is in a region, and every priced target there is."""

    def find(self, target: str, region: str = "") -> Price | None: ...

    def targets(self) -> Iterable[str]: ...


@dataclass(frozen=True, slots=True)
class Route:
    """What answers a request: `name` as asked for, `target` as `provider/model`; `endpoint`, `region` and `deployment`
    if the config names them."""

    name: str
    target: str
    price: Price
    endpoint: str = ""
    region: str = ""
    deployment: str = ""

    @property
    def provider(self) -> str:
        return self.target.partition("/")[0]

    @property
    def model(self) -> str:
        return self.target.partition("/")[2]

    @property
    def called(self) -> str:
        """What the provider calls the model."""
        return self.deployment or self.model


def permits(allowed: Sequence[str], *names: str) -> bool:
    """Whether a key's models, empty for any, hold a model by one of its names: as asked for, or its target."""
    return not allowed or any(name in allowed for name in names)


@dataclass(frozen=True, slots=True)
class ModelNames:
    """What models may be asked for by, and what each name stands for. `providers` are those of the
    deployment, in order of preference; the config's own come after them."""

    config: Offer
    prices: Prices
    providers: tuple[str, ...]

    def usable(self) -> tuple[str, ...]:
        """The providers that can be called, in order of preference."""
        return tuple(dict.fromkeys((*self.providers, *self.config.vendors)))

    def resolve(self, name: str) -> Route:
        """An alias of the config, else `provider/model`, else a bare model name of the first provider that prices it.

        Raises NotFound (`model_not_found`) and, where a target has no price, BadRequest (`model_not_priced`): what
        has no price is refused, never free. Of several regions it is the first.
        """
        alias = self.config.models.get(name)
        target = alias.target if alias else self._own_name(name)
        if target is None:
            raise NotFound(f"The model '{name}' does not exist here.", code="model_not_found", param="model")
        provider = target.partition("/")[0]
        if provider not in self.usable():
            raise NotFound(
                f"The model '{name}' needs the provider {provider}, which is not configured.",
                code="model_not_found",
                param="model",
            )
        region = next(iter(alias.regions), "") if alias else ""
        price = self.price(target, region)
        if price is None:
            raise BadRequest(
                f"The model '{name}' has no price, so it can't be billed. An operator can set one in the config.",
                code="model_not_priced",
                param="model",
            )
        if price.mode != "chat":
            raise BadRequest(
                f"The model '{name}' is no chat model ({price.mode}).", code="model_not_supported", param="model"
            )
        said = {"endpoint": alias.endpoint or "", "deployment": alias.deployment or ""} if alias else {}
        return Route(name, target, price, region=region, **said)

    def regions(self, route: Route) -> tuple[Route, ...]:
        """A route as it is in each of its alias's regions, in their order: elsewhere it may cost something else."""
        alias = self.config.models.get(route.name)
        if alias is None or not alias.regions:
            return (route,)
        priced = ((region, self.price(route.target, region)) for region in alias.regions)
        return tuple(replace(route, region=region, price=price) for region, price in priced if price is not None)

    def price(self, target: str, region: str = "") -> Price | None:
        """What a target costs: in a region, or where models are called."""
        said = self.config.price_overrides.get(target)
        return said or (self.prices.find(target, region) if region else self.prices.find(target))

    def names(self, allowed: Sequence[str] = ()) -> Mapping[str, str]:
        """What a key may ask for: name to target, aliases first. Empty `allowed` means any.

        Made by resolving each name, so that what is listed is what a call is let through with.
        """
        own = sorted({*self.prices.targets(), *self.config.price_overrides})
        routes = (self.found(name, allowed) for name in dict.fromkeys((*sorted(self.config.models), *own, *allowed)))
        return {route.name: route.target for route in routes if route is not None}

    def found(self, name: str, allowed: Sequence[str] = ()) -> Route | None:
        """The route of a name that a key may ask for; None where it may not, or no call by it would be let through."""
        try:
            route = self.resolve(name)
        except GatewayError:
            return None
        return route if permits(allowed, route.name, route.target) else None

    def _own_name(self, name: str) -> str | None:
        if name.partition("/")[0] in (*packaged(), *self.config.vendors):
            return name
        targets = (f"{provider}/{name}" for provider in self.usable())
        return next((target for target in targets if self.price(target)), None)
