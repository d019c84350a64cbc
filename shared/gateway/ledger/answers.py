"""What is reported about limits: the answer of a refusal, rate limit headers like OpenAI's, and refusals in shadow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from gateway import observability
from gateway.errors import BudgetExceeded, GatewayError, RateLimited
from gateway.identity.account_ids import Scope
from gateway.ledger.admission import Demand, Terms, Windows
from gateway.ledger.refusals import Refusal
from gateway.limits import UNITS
from gateway.models.money import in_dollars, usd
from gateway.times import rfc3339

_SECOND = 1_000_000
_RATE_HEADERS = {
    unit: (f"x-ratelimit-limit-{unit}", f"x-ratelimit-remaining-{unit}", f"x-ratelimit-reset-{unit}") for unit in UNITS
}


class _Whose(Struct, frozen=True):
    """Whose limit it is, in the words and details of an answer."""

    scope: Scope
    model: str

    @property
    def owner(self) -> str:
        return "key" if self.scope == "model" else self.scope

    @property
    def on(self) -> str:
        return f" for the model '{self.model}'" if self.model else ""

    @property
    def facts(self) -> dict[str, Any]:
        return {"scope": self.scope} | ({"model": self.model} if self.model else {})


def refused(
    scope: Scope, model: str, terms: Terms, refusal: Refusal, demand: Demand, item: Mapping[str, Any], windows: Windows
) -> GatewayError:
    """The answer of a refusal: the limit that was hit, how much is used and was asked for, and when room returns. There
    may be no item if the call asks for more than the whole limit: then the use is not known. If there is an item, its
    spent money would be out of date for such a call, because other calls have ended since; so it is left out. `model`
    is the name in a key's limit on a model."""
    whose = _Whose(scope, model)
    now = windows.now
    wait = None if refusal.wait is None else refusal.wait / _SECOND
    reset = None if wait is None else rfc3339(now / _SECOND + wait)
    headers = rate_headers(terms, item, now) if item else {}
    spent = usd(refusal.used) if item and demand.est <= refusal.limit else None
    money = {**whose.facts, "limit": usd(refusal.limit), "spent": spent, "needed": usd(demand.est)}
    if refusal.dimension == "budget":
        budget = f"budget of {in_dollars(refusal.limit)}{whose.on}"
        whole = f"more than the {whose.owner}'s whole {budget}"
        part = f"and {in_dollars(refusal.used)} of the {whose.owner}'s {budget} is spent"
        if reset:  # windows of budgets begin with a day
            part += f"; it starts again on {reset[:10]} (UTC)"
        return BudgetExceeded(
            f"This call may cost {in_dollars(demand.est)}, {whole if demand.est > refusal.limit else part}.",
            headers=headers | {"x-should-retry": "false"},
            details=money | {"reset": reset},
        )
    if refusal.dimension == "budget_held":
        return RateLimited(
            f"Calls in progress hold the rest of the {whose.owner}'s budget{whose.on}.",
            code="budget_held",
            retry_after=wait,
            headers=headers,
            details=money,
        )
    needed = refusal.limited.asks(demand.tokens)
    used = refusal.used if item else None
    return _limited(whose, refusal, {"used": used, "needed": needed, "reset": reset}, headers)


def _limited(whose: _Whose, refusal: Refusal, facts: Mapping[str, Any], headers: dict[str, str]) -> RateLimited:
    name = refusal.limited.words
    if refusal.limit == 1:
        name = name.replace("requests", "request").replace("tokens", "token")
    details = {**whose.facts, "dimension": refusal.dimension, "limit": refusal.limit, **facts}
    if refusal.wait is None:
        whole = f"the {whose.owner}'s whole limit of {refusal.limit} {name}{whose.on}"
        return RateLimited(
            f"This call may take {facts['needed']} tokens, more than {whole}: lower max_tokens.",
            headers=headers | {"x-should-retry": "false"},
            details=details,
        )
    return RateLimited(
        f"The {whose.owner}'s limit of {refusal.limit} {name}{whose.on} is reached.",
        retry_after=refusal.wait / _SECOND,
        headers=headers,
        details=details,
    )


def rate_headers(terms: Terms, item: Mapping[str, Any], now: int) -> dict[str, str]:
    headers: dict[str, str] = {}
    for rate in terms.rates:
        most, rest, reset = _RATE_HEADERS[rate.limit.unit]
        left, refill = rate.bucket.standing(item.get(rate.name, 0), now)
        headers[most] = str(rate.bucket.limit)
        headers[rest] = str(left)
        headers[reset] = f"{-(-refill // 1_000)}ms"  # rounded up
    return headers


def report_shadowed(refusals: Iterable[Refusal], *, scope: str, tier: str, rid: str, key_id: str) -> None:
    """Count and log the refusals by limits in shadow; they refuse no call.

    `scope` is the account's. `tier` is the key's, or the scope of an account that several keys share. A budget's
    `limit` and `used` are logged in US dollars."""
    for refusal in refusals:
        money = refusal.name == "budget"
        observability.count("ShadowRefusals", limit=refusal.name, tier=tier)
        observability.log.info(
            "shadow refusal",
            extra={
                "rid": rid,
                "key_id": key_id,
                "scope": scope,
                "tier": tier,
                "shadowed": refusal.name,
                "limit": usd(refusal.limit) if money else refusal.limit,
                "used": usd(refusal.used) if money else refusal.used,
            },
        )
