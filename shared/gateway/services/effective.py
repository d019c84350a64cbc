"""What a key has in effect, by its tier too, bounds what it grants: a limit that it does not name is its tier's."""

from __future__ import annotations

from collections.abc import Callable

from gateway.domain.admission import Terms, terms_of
from gateway.domain.config import TierLimits
from gateway.domain.identity import Caller
from gateway.errors import Forbidden
from gateway.stores.keys import KeyRecord


def grant_in_effect(issuer: Caller, record: KeyRecord, tiers: Callable[[str], TierLimits]) -> None:
    """Raises Forbidden where the limits that hold for the record let it more than those that hold for its issuer."""
    has, gets = (_limits(terms_of(tiers(each.tier), each.limits)) for each in (issuer, record))
    for name, most in has.items():
        wanted = gets[name]
        if most is not None and (wanted is None or wanted > most):
            raise Forbidden(f"A key can't grant more than it has: by its tier its {name} is {most}.", param=name)


def _limits(terms: Terms) -> dict[str, int | None]:
    """By the names of the fields that set them."""
    return {
        "rpm_limit": terms.requests.limit if terms.requests else None,
        "burst": terms.requests.burst if terms.requests else None,
        "tpm_limit": terms.tokens.limit if terms.tokens else None,
        "rph_limit": terms.per_hour,
        "rpd_limit": terms.per_day,
        "max_parallel_requests": terms.parallel,
    }
