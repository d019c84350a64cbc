"""Which endpoint of a provider a call goes to, by its model, by what that does, and by what the client speaks."""

from __future__ import annotations

from fnmatch import fnmatchcase

from gateway.models.geographies import geography_of, own_id, without_arn
from gateway.models.vendors import Counting, Endpoint, ModelRule, Vendor


def endpoints_of(vendor: Vendor, model: str) -> tuple[Endpoint, ...]:
    """The endpoints at which a provider has a model, the best first."""
    return tuple(vendor.endpoints[name] for name in rule_of(vendor, model).endpoints)


def serves(vendor: Vendor, model: str, mode: str) -> bool:
    """Whether a provider has an endpoint for what a model does."""
    return any(each.mode == mode for each in endpoints_of(vendor, model))


def endpoint_for(
    vendor: Vendor, model: str, dialect: str, *, mode: str = "chat", forced: str = "", base_url: str = ""
) -> Endpoint:
    """Where a call in a client's `dialect` goes: to the endpoint that speaks it, so that nothing has to be translated,
    else to the best one, of those for its `mode` that are at its base URL. `forced` names one, whatever the list says.
    Raises LookupError for one that there is not."""
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
    """Whether a model is asked for by its own id, and answers by an inference profile alone."""
    return rule_of(vendor, model).profile and geography_of(without_arn(model)) is None


def rule_of(vendor: Vendor, model: str) -> ModelRule:
    """What is known of a provider's model."""
    known_by = own_id(without_arn(model))
    return next(rule for rule in vendor.models if fnmatchcase(known_by, rule.pattern))


def counting_for(vendor: Vendor, endpoint: Endpoint, model: str) -> Counting | None:
    """How a provider is asked for a model's count of tokens at an endpoint; None where it has none to give."""
    known_by = own_id(without_arn(model))
    return endpoint.counting if any(fnmatchcase(known_by, form) for form in vendor.counts) else None
