"""A call as the ledger sees it: what it asks for, whose accounts admit it, what is held for it, how it ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from gateway.config.document import TierLimits
from gateway.errors import GatewayError
from gateway.identity.caller import Caller, Team
from gateway.identity.store import team_item
from gateway.ledger.admission import Demand, Terms, Windows, terms_of, terms_of_team
from gateway.ledger.answers import rate_headers, refused
from gateway.ledger.refusals import Refusal
from gateway.ledger.rows_store import Row
from gateway.ledger.tags import counted_tags, set_name
from gateway.models.money import usd
from gateway.models.usage import Usage


@dataclass(frozen=True, slots=True)
class AdmissionRequest:
    """One call to admit. `est` in micro-dollars, the upper bound; `deadline` in seconds since the epoch. `target`
    and `provider` are those of the first attempt, `models` every target (`provider/model`) that the call may go to.
    `facts` are further fields of the row, which bound nothing."""

    rid: str
    model: str
    target: str
    provider: str
    est: int
    tokens: int
    deadline: int
    correlation_id: str = ""
    tags: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended. Costs in micro-dollars; `status` is "ok" or an error code. `uncounted` are the tokens that were
    held for attempts of which nobody knows what they used. `facts` are further fields of the row: its attempts, and
    what it says otherwise since another target answered."""

    usage: Usage | None
    prompt_cost: int
    completion_cost: int
    status: str
    latency_ms: int
    uncounted: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def cost(self) -> int:
        return self.prompt_cost + self.completion_cost

    def tokens(self, held: int) -> int:
        """Tokens used. Where nobody counted them: none of a call that costs nothing, else what was held."""
        if self.usage is not None:
            return self.usage.total_tokens + self.uncounted
        return (self.uncounted or held) if self.cost else 0


@dataclass(frozen=True, slots=True)
class Account:
    """Whose item of `limits` has to admit a call: a key's or a team's. `version` is that of its record, `tier` the
    key's; a team has none."""

    id: str
    version: int
    terms: Terms
    scope: Literal["key", "team"]
    tier: str

    def refused(self, refusal: Refusal, demand: Demand, item: Mapping[str, Any], windows: Windows) -> GatewayError:
        """The answer of a refusal by this account."""
        return refused(self.scope, self.terms, refusal, demand, item, windows)


def key_account(caller: Caller, tiers: Callable[[str], TierLimits]) -> Account:
    return Account(caller.key_id, caller.version, terms_of(tiers(caller.tier), caller.limits), "key", caller.tier)


def team_account(team_id: str, team: Team) -> Account:
    return Account(team_item(team_id), team.version, terms_of_team(team.limits), "team", "team")


@dataclass(frozen=True, slots=True)
class Admitted:
    """An account that admitted a call: on what terms, in which windows, and its item as it was then. `shadowed` would
    have refused it, were they enforced."""

    account: Account
    windows: Windows
    item: Mapping[str, Any]
    shadowed: tuple[Refusal, ...] = ()

    @property
    def left(self) -> int | None:
        """Micro-dollars left of the budget, None where there is none; 0 where it was lowered below what is used."""
        budget = self.account.terms.budget
        return None if budget is None else max(0, budget - self.item.get(self.windows.booking.used, 0))


@dataclass(frozen=True, slots=True)
class Hold:
    """An admitted call: its row, and whose call it is by the freshest record."""

    row: Row
    caller: Caller
    key: Admitted
    team: Admitted | None = None

    def headers(self) -> dict[str, str]:
        """The rate limit headers, as OpenAI's: limits, what is left, and when the bucket is full again."""
        now, terms, item = self.key.windows.now, self.key.account.terms, self.key.item
        headers = rate_headers(terms, item, now)
        for scope, admitted in (("key", self.key), ("team", self.team)):
            if admitted is not None and admitted.left is not None:
                headers[f"x-gateway-{scope}-remaining"] = f"{usd(admitted.left):.6f}"
        return headers


def row_of(caller: Caller, key: Admitted, team: Admitted | None, request: AdmissionRequest) -> Row:
    windows = key.windows
    return Row(
        rid=request.rid,
        key=caller.key_id,
        tier=caller.tier,
        model=request.model,
        target=request.target,
        provider=request.provider,
        hour=windows.hour,
        est=request.est,
        created=windows.now,
        deadline=request.deadline,
        team=caller.team_id,
        window=windows.budget,
        team_window=team.windows.budget if team else "",
        budget=key.account.terms.budget,
        team_budget=team.account.terms.budget if team else None,
        correlation=request.correlation_id,
        tags=counted_tags(request.tags, key.item.get(set_name(windows.day), ())),
        number=key.item.get(f"d_{windows.day}", 0),
        tokens=request.tokens,
        facts=request.facts,
    )
