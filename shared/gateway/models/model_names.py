"""Resolves the name that a client asks for to a provider's model and its price."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Protocol

from msgspec import Struct
from msgspec.structs import force_setattr, replace

from gateway.errors import BadRequest, GatewayError, NotFound
from gateway.models import residency as rules
from gateway.models.cards import Card, Cards
from gateway.models.endpoints import needs_profile, serves
from gateway.models.geographies import geography_of, reach
from gateway.models.money import Price
from gateway.models.vendors import Vendor, packaged

SHOWN = "; GET /v1/models lists what this key may use."
CLAUDE_CODE = "claude-code/"  # before any name: the same model, under a name that Claude Code keeps
WARNED_DAYS = 60  # this long before a model's end, its answers announce it
_MOST_ROUTES = 256  # kept at a time, because clients choose the names


class Alias(Protocol):
    """A name that clients use, and what answers to it: the `provider/model`, or the model cards in order of preference,
    of which a deployment calls the first that it can. It may also set the endpoint (else chosen by the client's
    dialect), the regions that a target is called in, in order (else the deployment's), and the provider's name for the
    model (else the target's)."""

    @property
    def target(self) -> str | None: ...
    @property
    def models(self) -> Sequence[str]: ...
    @property
    def endpoint(self) -> str | None: ...
    @property
    def regions(self) -> Sequence[str]: ...
    @property
    def deployment(self) -> str | None: ...


class Offer(Protocol):
    """What a config offers: aliases by name, prices by target (which win over the price list's), and the config's own
    providers by name."""

    @property
    def models(self) -> Mapping[str, Alias]: ...
    @property
    def price_overrides(self) -> Mapping[str, Price]: ...
    @property
    def providers(self) -> Mapping[str, Vendor]: ...


class Prices(Protocol):
    """Where prices come from: `find("provider/model")` with the price in a region or geography, `regional` for whether
    the region that models are called in has its own price for a model, and every priced target."""

    def find(self, target: str, region: str = "") -> Price | None: ...

    def regional(self, target: str) -> bool: ...

    def targets(self) -> Iterable[str]: ...


class Route(Struct, frozen=True):
    """What answers a request: `name` as asked for, `target` as `provider/model`; `endpoint`, `region` and `deployment`
    if the config names them. `ending` is the day (YYYY-MM-DD) of the model's end if it is near, `successor` the name to
    ask for instead. `called` is the provider's name for the model."""

    name: str
    target: str
    price: Price
    endpoint: str = ""
    region: str = ""
    deployment: str = ""
    ending: str = ""
    successor: str = ""
    provider: str = ""  # this and the rest follow from the others, and are known once: a call asks some ten times
    model: str = ""
    called: str = ""

    def __post_init__(self) -> None:
        provider, _, model = self.target.partition("/")
        force_setattr(self, "provider", provider)
        force_setattr(self, "model", model)
        force_setattr(self, "called", self.deployment or model)


def permits(allowed: Sequence[str], *names: str) -> bool:
    """Whether a key's models, empty for any, include one of a model's names: as asked for, or its target."""
    return not allowed or any(name in allowed for name in names)


@dataclass(frozen=True, slots=True)
class ModelNames:
    """The names of models and what each one resolves to. `providers` are the deployment's, in order of preference; the
    config's own come after them. Models are called in `region`. `today` is the UTC date (YYYY-MM-DD) that ends of life
    are compared with, empty for no comparison."""

    config: Offer
    prices: Prices
    providers: tuple[str, ...]
    region: str = ""
    today: str = ""
    cards: Cards = field(default_factory=Cards.load)
    _resolved: dict[tuple[str, str], Route] = field(default_factory=dict, init=False, compare=False, repr=False)

    def usable(self) -> tuple[str, ...]:
        """The providers that can be called, in order of preference."""
        return tuple(dict.fromkeys((*self.providers, *self.config.providers)))

    def resolve(self, name: str, residency: str = "") -> Route:
        """The route of an alias of the config, else of `provider/model`, else of a model's name at the first provider
        that has it. With a `residency`, the first target that keeps the rule.

        Raises NotFound (`model_not_found`, `model_end_of_life`), Forbidden (`residency`) and, if a target has no price,
        BadRequest (`model_not_priced`): a model without a price is refused, never free.
        """
        name = self._plain(name)
        route = self._resolved.get((name, residency))
        if route is None:
            if len(self._resolved) >= _MOST_ROUTES:
                self._resolved.clear()
            route = self._resolved[name, residency] = self._resolve(name, residency)
        return route

    def regions(self, route: Route, residency: str = "") -> tuple[Route, ...]:
        """A route in each of its alias's regions that keeps a residency rule, in their order. The price may differ by
        region."""
        alias = self.config.models.get(route.name)
        if alias is None or not alias.regions or alias.target != route.target:
            return (route,)
        kept = [region for region in alias.regions if self.keeps(route.target, region, residency)]
        priced = ((region, self.price(route.target, region)) for region in kept)
        return tuple(replace(route, region=region, price=price) for region, price in priced if price is not None)

    def price(self, target: str, region: str = "") -> Price | None:
        """The price of a target in a region, by default where models are called. The config's price wins; facts other
        than money that it leaves out come from the price list. If the config has none, the price list's holds."""
        vendor = self.vendor(target.partition("/")[0])
        place = region or (vendor.geography if vendor else "")
        listed = self.prices.find(target, place)
        own = self.config.price_overrides.get(target)
        if own is None or listed is None:
            return own or listed
        return replace(
            own,
            max_output_tokens=own.max_output_tokens or listed.max_output_tokens,
            max_input_tokens=own.max_input_tokens or listed.max_input_tokens,
            capabilities=own.capabilities or listed.capabilities,
            ends=own.ends or listed.ends,
            mode=listed.mode,
        )

    def vendor(self, name: str) -> Vendor | None:
        """A provider by name, packaged or the config's own."""
        return packaged().get(name) or self.config.providers.get(name)

    def keeps(self, target: str, region: str, residency: str) -> bool:
        """Whether a target that is called in a region keeps a rule of residency."""
        provider, _, model = target.partition("/")
        vendor = self.vendor(provider)
        return not residency or (vendor is not None and rules.keeps(vendor, model, region, residency))

    def routes(self, allowed: Sequence[str] = (), residency: str = "", *, everything: bool = True) -> list[Route]:
        """The routes that a key may ask for, aliases first; empty `allowed` permits any model. Without `everything`,
        only aliases and the key's own models.

        Each name is resolved to make the list, so the list has exactly the names that calls are let through with.
        """
        own = sorted({*self.prices.targets(), *self.config.price_overrides}) if everything else ()
        routes = (
            self.found(name, allowed, residency)
            for name in dict.fromkeys((*sorted(self.config.models), *own, *allowed))
        )
        return [route for route in routes if route is not None]

    def found(self, name: str, allowed: Sequence[str] = (), residency: str = "") -> Route | None:
        """The route of a name; None if the key may not ask for it, or a call with that name would be refused."""
        try:
            route = self.resolve(name, residency)
        except GatewayError:
            return None
        return route if permits(allowed, route.name, route.target) else None

    def _plain(self, name: str) -> str:
        """A name without the prefix that Claude Code needs."""
        taken = name in self.config.models or CLAUDE_CODE.rstrip("/") in self.config.providers
        return name if taken else name.removeprefix(CLAUDE_CODE)

    def _resolve(self, name: str, residency: str) -> Route:
        failure: tuple[int, GatewayError] = (0, _unknown(f"The model '{name}' does not exist here{SHOWN}"))
        for target in self._targets(name, residency):
            found = self._judged(name, target, residency)
            if isinstance(found, Route):
                return found
            failure = max(failure, found, key=lambda each: each[0])
        raise failure[1]

    def _judged(self, name: str, target: str, residency: str) -> Route | tuple[int, GatewayError]:
        """The route of a name to a target, or the error and the stage reached: the last stage explains most."""
        provider = target.partition("/")[0]
        if provider not in self.usable():
            return 1, _unknown(f"The model '{name}' needs the provider {provider}, which is not configured.")
        alias = self.config.models.get(name)
        regions = alias.regions if alias and alias.target == target else ()
        region = next((each for each in regions if self.keeps(target, each, residency)), next(iter(regions), ""))
        price = self.price(target, region)
        if price is None:
            reason = f"The model '{name}' has no price, so it can't be billed. An operator can set one in the config."
            return 2, BadRequest(reason, code="model_not_priced", param="model")
        vendor = self.vendor(provider)
        if vendor is not None and not serves(vendor, target.partition("/")[2], price.mode):
            reason = f"The model '{name}' is of a kind ({price.mode}) that this gateway does not call at {provider}."
            return 3, BadRequest(reason, code="model_not_supported", param="model")
        if vendor is not None and needs_profile(vendor, target.partition("/")[2]):
            reason = f"The model '{name}' answers only by an inference profile, whose id begins with a geography."
            return 3, BadRequest(reason, code="model_not_supported", param="model")
        route = Route(name, target, price, region=region)
        if alias is not None:
            deployment = alias.deployment if alias.target == target else None
            route = replace(route, endpoint=alias.endpoint or "", deployment=deployment or "")
        if price.ends and self.today:
            card = self.cards.of(target)
            route = replace(route, successor=price.successor or (card.successor if card else ""))
            if price.ends <= self.today:
                return 4, _ended(route)
            if price.ends <= _later(self.today, WARNED_DAYS):
                route = replace(route, ending=price.ends)
        if not self.keeps(target, region or self.region, residency):
            return 5, rules.refused(name, residency)
        return route

    def _targets(self, name: str, residency: str) -> Iterator[str]:
        """The targets that a name may mean, best first."""
        alias = self.config.models.get(name)
        if alias is not None and alias.target:
            yield alias.target
            card = self.cards.of(alias.target) if residency else None
            if card is not None:  # the same model there, by another geography's profile
                yield from self._served(card, name, (alias.target.partition("/")[0],))
        elif alias is not None:
            for each in filter(None, map(self.cards.named, alias.models)):
                yield from self._served(each, name, self.usable())
                yield from self._served(each, name, [vendor for vendor in each.at if vendor not in self.usable()])
        elif name.partition("/")[0] in (*packaged(), *self.config.providers):
            yield name
        else:
            card = self.cards.named(name)
            if card is not None:
                yield from self._served(card, name, self.usable())
            yield from (f"{each}/{name}" for each in self.usable() if self.price(f"{each}/{name}"))

    def _served(self, card: Card, name: str, providers: Iterable[str]) -> Iterator[str]:
        """A model's targets at each provider in turn: the very id that was asked for, else the profile of the nearest
        geography, else its first id."""
        for provider in providers:
            ids = card.at.get(provider, ())
            vendor = self.vendor(provider)
            if name in ids:
                yield f"{provider}/{name}"
            elif vendor is not None and vendor.regional:
                yield from (f"{provider}/{model}" for model in self._reachable(provider, ids))
            elif ids:
                yield f"{provider}/{ids[0]}"

    def _reachable(self, provider: str, ids: Sequence[str]) -> list[str]:
        """The inference profiles that the region can name, nearest first. The model's own id follows only if it has no
        profile at all or a price for this very region; otherwise it answers only by a profile."""
        by_geography = {geography_of(model): model for model in ids}
        profiles = [by_geography[each] for each in reach(self.region) if each in by_geography]
        own = by_geography.pop(None, None)
        if own is not None and (not by_geography or self.prices.regional(f"{provider}/{own}")):
            return [*profiles, own]
        return profiles


def _unknown(message: str) -> NotFound:
    return NotFound(message, code="model_not_found", param="model")


def _ended(route: Route) -> NotFound:
    instead = f" Ask for '{route.successor}' instead." if route.successor else ""
    return NotFound(
        f"The model '{route.name}' reached its end of life on {route.price.ends}.{instead}",
        code="model_end_of_life",
        param="model",
        details={"ended": route.price.ends, "successor": route.successor or None},
    )


def _later(day: str, days: int) -> str:
    return (date.fromisoformat(day) + timedelta(days=days)).isoformat()
