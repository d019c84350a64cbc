"""Compares what two keys have: scopes, tier, models, team, time, and the limits in effect."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from msgspec import Struct

from gateway.config.document import TierLimits
from gateway.identity.addresses import covers
from gateway.identity.caller import TIERS, KeyLimits, ModelLimits
from gateway.ledger.admission import Terms, terms_of
from gateway.limits import LIMITS, NUMBERS
from gateway.models.geographies import strictest
from gateway.models.money import in_dollars

_RATES = {each.burst[1]: each.key_field for each in LIMITS if each.burst}
Tiers = Callable[[str], TierLimits]  # returns a tier's limits by its name


class Holder(Protocol):
    """A key, either as its record or as the caller that uses it."""

    @property
    def tier(self) -> str: ...
    @property
    def scopes(self) -> tuple[str, ...]: ...
    @property
    def models(self) -> tuple[str, ...]: ...
    @property
    def team_id(self) -> str: ...
    @property
    def expires(self) -> int: ...
    @property
    def limits(self) -> KeyLimits: ...
    @property
    def residency(self) -> str: ...
    @property
    def allowed_ips(self) -> tuple[str, ...]: ...
    @property
    def model_limits(self) -> tuple[ModelLimits, ...]: ...


class More(Struct, frozen=True):
    """Something that one key has beyond another: the field, and the reason."""

    field: str
    reason: str


def more(has: Holder, wants: Holder, tiers: Tiers, *, shadow: bool = True) -> More | None:
    """The first thing that `wants` has and `has` lacks; None if there is nothing. Without `shadow`, a limit in shadow,
    which refuses no call, counts like any other limit."""
    found = next(_all(has, wants, tiers), None)
    return next(_shadow(has, wants, tiers), None) if found is None and shadow else found


def _all(has: Holder, wants: Holder, tiers: Tiers) -> Iterator[More]:
    for scope in wants.scopes:
        if scope not in has.scopes:
            yield More("scopes", f"it lacks the scope '{scope}'")
    if TIERS.index(wants.tier) > TIERS.index(has.tier):
        yield More("tier", f"its own tier is {has.tier}")
    if has.models and not (wants.models and set(wants.models) <= set(has.models)):
        yield More("models", "it may use only some models, and the other key's must be among them")
    if has.team_id and wants.team_id != has.team_id:
        yield More("team_id", f"it belongs to the team '{has.team_id}'")
    if has.residency and strictest(has.residency, wants.residency) != wants.residency:
        yield More("residency", f"its calls are bound to '{has.residency}', and the other key's must be too")
    if not covers(has.allowed_ips, wants.allowed_ips):
        yield More("allowed_ips", "it may be used only from some addresses, and the other key's must be among them")
    if has.expires and not 0 < wants.expires <= has.expires:
        yield More("expires", "it expires, and the other key must not last longer")
    yield from _numbers(has.limits, wants.limits)
    yield from _models(has.model_limits, wants.model_limits)
    yield from _in_effect(has, wants, tiers)


def budget_in_effect(holder: Holder, tiers: Tiers) -> int | None:
    """The budget in micro-dollars that refuses the holder's calls, whether the key's own or its tier's."""
    terms = terms_of(tiers(holder.tier), holder.limits)
    return terms.budget if terms.enforced("budget") else None


def _numbers(own: KeyLimits, wanted: KeyLimits) -> Iterator[More]:
    for name in NUMBERS:
        most, asked = _number(own, name), _number(wanted, name)
        if most is not None and (asked is None or asked > most):
            yield More(name, f"its own {name} is {in_dollars(most) if name == 'max_budget' else most}")
    if own.max_budget is not None and wanted.budget_duration != own.budget_duration:
        yield More("budget_duration", f"its own budget is {own.budget_duration}")


def _number(limits: KeyLimits, name: str) -> int | None:
    """The value of a limit. A limit per minute implies a burst, so the calls that may come at once follow from two
    fields."""
    own: int | None = getattr(limits, name)
    return own or getattr(limits, _RATES[name]) if name in _RATES else own


def _models(own: tuple[ModelLimits, ...], wanted: tuple[ModelLimits, ...]) -> Iterator[More]:
    """Compares limits on models by the name that each was set for. The other key must have each of them too, for the
    same target, as strict and as enforced. Another name of the same model is another limit."""
    others = {each.name: each for each in wanted}
    for each in own:
        other = others.get(each.name)
        if other is None or other.target != each.target:
            yield More("model_limits", f"it has limits on the model '{each.name}'")
            continue
        for found in _numbers(each.limits, other.limits):
            yield More("model_limits", f"on the model '{each.name}' {found.reason}")
        if not set(other.limits.shadow) <= set(each.limits.shadow):
            yield More(
                "model_limits", f"its limits on the model '{each.name}' are enforced, and the other key's would not be"
            )


def _in_effect(has: Holder, wants: Holder, tiers: Tiers) -> Iterator[More]:
    """If a key does not set a limit, its tier's limit holds, and bounds what the key grants too."""
    own, others = (terms_of(tiers(each.tier), each.limits) for each in (has, wants))
    wanted = _by_field(others)
    for name, most in _by_field(own).items():
        asked = wanted[name]
        if most is not None and (asked is None or asked > most):
            yield More(name, f"its tier's {name} is {in_dollars(most) if name == 'max_budget' else most}")
    if own.budget is not None and others.duration != own.duration:
        yield More("budget_duration", f"its tier's budget is {own.duration}")
    yield from _raised(own, others)


def _raised(own: Terms, wanted: Terms) -> Iterator[More]:
    """A budget that is raised for a while must stay within the limit that bounds it during that time."""
    asked, raised = wanted.budget_raise, own.budget_raise
    if own.budget is None or wanted.budget is None or asked is None:
        return
    most = wanted.budget + asked.by
    within = raised is not None and most <= own.budget + raised.by and asked.until <= raised.until
    if most > own.budget and not within:
        yield More("budget_raise", "its own budget is not raised by as much for as long")


def _by_field(terms: Terms) -> dict[str, int | None]:
    numbers: dict[str, int | None] = {}
    for each in LIMITS:
        numbers[each.key_field] = terms.most(each)
        if each.burst:
            bucket = terms.bucket(each)
            numbers[each.burst[1]] = bucket.burst if bucket else None
    return numbers


def _shadow(has: Holder, wants: Holder, tiers: Tiers) -> Iterator[More]:
    """A limit that refuses a key's calls, its own or its tier's, must also refuse the other key's. In shadow it would
    refuse none, and with typical holds it would refuse later."""
    pairs = [(has.limits, wants.limits)]
    others_limits = {each.name: each.limits for each in wants.model_limits}
    pairs += [(each.limits, others_limits[each.name]) for each in has.model_limits if each.name in others_limits]
    if any(wanted.estimate == "typical" != own.estimate for own, wanted in pairs):
        yield More("estimate", "its calls reserve the most that they may cost, and the other key's would reserve less")
    own, others = (terms_of(tiers(each.tier), each.limits) for each in (has, wants))
    for each in LIMITS:
        if own.most(each) is not None and own.enforced(each.name) and not others.enforced(each.name):
            where = "shadow" if each.name in wants.limits.shadow else "tier"
            yield More(where, f"its {each.name} is enforced, and the other key's would be in shadow")
