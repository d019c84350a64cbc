"""No key grants more than it has: what the key that makes or changes another one is held to."""

from __future__ import annotations

from collections.abc import Callable

from gateway.domain.admission import Terms, terms_of
from gateway.domain.config import TierLimits
from gateway.domain.identity import NUMBERS, TIERS, Caller, KeyLimits
from gateway.domain.money import usd
from gateway.errors import Forbidden
from gateway.stores.keys import KeyRecord

# What a key is limited in, by the limit's name in `shadow`.
_OWN = {
    "requestsPerMinute": "burst",
    "requestsPerHour": "rph_limit",
    "requestsPerDay": "rpd_limit",
    "tokensPerMinute": "tpm_limit",
    "tokensPerDay": "tpd_limit",
    "maxParallelRequests": "max_parallel_requests",
    "budget": "max_budget",
}


def grant(issuer: Caller, record: KeyRecord, tiers: Callable[[str], TierLimits]) -> None:
    """Raises Forbidden where a key would get more than the key that makes or changes it has."""
    more = [scope for scope in record.scopes if not issuer.may(scope)]
    if more:
        _refuse("scopes", f"it lacks the scope '{more[0]}'")
    if TIERS.index(record.tier) > TIERS.index(issuer.tier):
        _refuse("tier", f"its own tier is {issuer.tier}")
    if issuer.models and not (record.models and set(record.models) <= set(issuer.models)):
        _refuse("models", "its own models are limited, the key's must be among them")
    if issuer.team_id and record.team_id != issuer.team_id:
        _refuse("team_id", f"it belongs to the team '{issuer.team_id}'")
    if issuer.expires and not 0 < record.expires <= issuer.expires:
        _refuse("expires", "it expires itself, the key must not outlive it")
    _numbers(issuer.limits, record.limits)
    _in_effect(issuer, record, tiers)
    _shadow(issuer, record, tiers)


def _numbers(own: KeyLimits, wanted: KeyLimits) -> None:
    for name in NUMBERS:
        # What may come at once follows from two fields.
        attribute = "burst" if name == "burst_limit" else name
        most, asked = getattr(own, attribute), getattr(wanted, attribute)
        if most is not None and (asked is None or asked > most):
            _refuse(name, f"its own {name} is {usd(most) if name == 'max_budget' else most}")
    if own.max_budget is not None and wanted.budget_duration != own.budget_duration:
        _refuse("budget_duration", f"its own budget is {own.budget_duration}")


def _in_effect(issuer: Caller, record: KeyRecord, tiers: Callable[[str], TierLimits]) -> None:
    """A limit that a key does not name is its tier's: that bounds what it grants too."""
    has, gets = (terms_of(tiers(each.tier), each.limits) for each in (issuer, record))
    wanted = _by_field(gets)
    for name, most in _by_field(has).items():
        asked = wanted[name]
        if most is not None and (asked is None or asked > most):
            _refuse(name, f"by its tier its {name} is {usd(most) if name == 'max_budget' else most}")
    if has.budget is not None and gets.duration != has.duration:
        _refuse("budget_duration", f"by its tier its budget is {has.duration}")


def _by_field(terms: Terms) -> dict[str, int | None]:
    return {
        "rpm_limit": terms.requests.limit if terms.requests else None,
        "burst_limit": terms.requests.burst if terms.requests else None,
        "tpm_limit": terms.tokens.limit if terms.tokens else None,
        "tpd_limit": terms.tokens_per_day,
        "rph_limit": terms.per_hour,
        "rpd_limit": terms.per_day,
        "max_parallel_requests": terms.parallel,
        "max_budget": terms.budget,
    }


def _shadow(issuer: Caller, record: KeyRecord, tiers: Callable[[str], TierLimits]) -> None:
    """What limits the issuer itself must limit the key: in its own `shadow`, or in its tier's, it would not."""
    limiting = [name for name, attribute in _OWN.items() if getattr(issuer.limits, attribute) is not None]
    if not limiting:
        return
    own = {*issuer.limits.shadow, *tiers(issuer.tier).shadow}
    wanted = {*record.limits.shadow, *tiers(record.tier).shadow}
    for name in limiting:
        if name in wanted and name not in own:
            where = "shadow" if name in record.limits.shadow else "tier"
            _refuse(where, f"its own {name} is enforced, the key's would be in shadow")


def _refuse(field: str, reason: str) -> None:
    raise Forbidden(f"A key can't grant more than it has: {reason}.", param=field)
