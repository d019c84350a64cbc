"""Which endpoint of a provider a call goes to, depending on the model, its mode and the client's dialect."""

from __future__ import annotations

from fnmatch import fnmatchcase

from gateway.models.geographies import geography_of, own_id, without_arn
from gateway.models.vendors import Counting, Endpoint, ModelRule, Vendor


def endpoints_of(vendor: Vendor, model: str) -> tuple[Endpoint, ...]:
    """The endpoints at which a provider has a model, best first."""
    return tuple(vendor.endpoints[name] for name in rule_of(vendor, model).endpoints)


def serves(vendor: Vendor, model: str, mode: str) -> bool:
    """Whether a provider has an endpoint for a model of this mode."""
    return any(each.mode == mode for each in endpoints_of(vendor, model))


def endpoint_for(
    vendor: Vendor, model: str, dialect: str, *, mode: str = "chat", forced: str = "", base_url: str = ""
) -> Endpoint:
    """The endpoint for a call in a client's `dialect`. It is the one that speaks the dialect, so that nothing has to be
    translated, or else the best one. Only endpoints for the call's `mode` at the provider's base URL are considered.
    `forced` names an endpoint, whatever the list says. Raises LookupError if there is no such endpoint."""
    if forced:
        named = vendor.endpoints[forced]
        if named.mode != mode:
            raise LookupError(forced)
        return named
    base_url = base_url or vendor.base_url
    had = [each for each in endpoints_of(vendor, model) if each.mode == mode and each.is_at(base_url)]
    if not had:
        raise LookupError(model)
    return next((each for each in had if each.dialect == dialect), had[0])


def needs_profile(vendor: Vendor, model: str) -> bool:
    """Whether a model is asked for by its own id but answers only by an inference profile."""
    return rule_of(vendor, model).profile and geography_of(without_arn(model)) is None


def rule_of(vendor: Vendor, model: str) -> ModelRule:
    """The rule that is known for a provider's model."""
    known_by = own_id(without_arn(model))
    return next(rule for rule in vendor.models if fnmatchcase(known_by, rule.pattern))


def counting_for(vendor: Vendor, endpoint: Endpoint, model: str) -> Counting | None:
    """How to ask a provider for a model's token count at an endpoint; None if it can't be asked."""
    known_by = own_id(without_arn(model))
    return endpoint.counting if any(fnmatchcase(known_by, form) for form in vendor.counts) else None
