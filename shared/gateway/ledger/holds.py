"""A call as the ledger sees it: its demand, its hold, and its outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from msgspec import Struct

from gateway.identity.account_ids import Scope
from gateway.identity.caller import Caller
from gateway.ledger.accounts import Account
from gateway.ledger.admission import Windows
from gateway.ledger.answers import rate_headers
from gateway.ledger.refusals import Refusal
from gateway.ledger.rows_store import Row, RowAccount, partition_of
from gateway.ledger.tags import counted_tags, set_name
from gateway.models.money import MICRO
from gateway.models.usage import Usage
from gateway.times import rfc3339


class AdmissionRequest(Struct, frozen=True):
    """One call to admit. `est` is the upper bound in micro-dollars, `deadline` in seconds since the epoch. `models` are
    all targets (`provider/model`) that the call may go to, in order; if empty, `target` alone. `typical` is what such a
    call usually costs: it is held instead if the call's accounts say so. `facts` are further fields of the row, which
    limit nothing."""

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
    facts: Mapping[str, Any] = MappingProxyType({})
    typical: int | None = None


class Outcome(Struct, frozen=True):
    """How a call ended. Costs are in micro-dollars; `status` is "ok" or an error code. `uncounted` are the tokens that
    were held for attempts whose usage nobody knows. `facts` are further fields of the row: its attempts, and the fields
    that change because another target answered."""

    usage: Usage | None
    prompt_cost: int
    completion_cost: int
    status: str
    latency_ms: int
    uncounted: int = 0
    facts: Mapping[str, Any] = MappingProxyType({})

    @property
    def cost(self) -> int:
        return self.prompt_cost + self.completion_cost

    def tokens(self, held: int) -> int:
        """Tokens used. If nobody counted them: 0 for a call that costs nothing, else the tokens that were held."""
        if self.usage is not None:
            return self.usage.total_tokens + self.uncounted
        return (self.uncounted or held) if self.cost else 0


class Admitted(Struct, frozen=True):
    """An account that admitted a call, the windows in which it did, and its item right after that. `shadowed` are the
    refusals by limits in shadow, had they been enforced. `budget` is the one that applied at that moment."""

    account: Account
    windows: Windows
    item: Mapping[str, Any]
    shadowed: tuple[Refusal, ...] = ()
    budget: int | None = None

    @property
    def left(self) -> int | None:
        """Micro-dollars left of the budget; None if there is no budget, 0 if it was lowered below the amount used."""
        budget = self.budget
        if budget is None:
            return None
        left: int = budget - self.item.get(self.windows.booking.used, 0)
        return left if left > 0 else 0


class Hold(Struct, frozen=True):
    """An admitted call: its row, its caller by the latest record, and the accounts that admitted it, the key first.
    `bound` is its upper bound at admission; `typical`: less than that was held."""

    row: Row
    caller: Caller
    admitted: tuple[Admitted, ...]
    bound: int = 0
    typical: bool = False

    def worth_lowering(self, est: int) -> bool:
        """Whether holding only `est` is worth one write per account: an account has a budget, and more than half of the
        hold would become free."""
        return 2 * est < self.row.est and any(each.account.terms.budget is not None for each in self.admitted)

    def headers(self) -> dict[str, str]:
        """The rate limit headers, like OpenAI's: the limits, what is left, and when the bucket is full again. Of each
        scope that has a budget: what is left of the least one, and until when it is raised."""
        admitted = self.admitted
        key = admitted[0]
        headers = rate_headers(key.account.terms, key.item, key.windows.now)
        least: dict[Scope, int] = {}
        for each in admitted:
            left = each.left
            if left is not None:
                scope = each.account.scope
                least[scope] = min(left, least[scope]) if scope in least else left
        for whose, micro in least.items():
            headers[f"x-gateway-{whose}-remaining"] = f"{micro / MICRO:.6f}"
        for each in admitted:
            terms = each.account.terms
            raised = terms.raise_at(each.windows.now) if terms.budget_raise else None
            if raised is not None:
                headers[f"x-gateway-{each.account.scope}-raised-until"] = rfc3339(raised.until)
        return headers


def row_of(caller: Caller, admitted: Sequence[Admitted], request: AdmissionRequest, est: int) -> Row:
    key, windows = admitted[0], admitted[0].windows
    others = [RowAccount(each.account.id, each.windows.budget, each.budget) for each in admitted[1:]]
    # Not all by name: with more than 15 names, Python makes a dictionary of them first, at five times the cost.
    return Row(
        partition_of(request.rid, windows.now, request.deadline),
        request.rid,
        caller.key_id,
        caller.tier,
        request.model,
        request.target,
        request.provider,
        windows.hour,
        est,
        windows.now,
        request.deadline,
        team=caller.team_id,
        window=windows.budget,
        budget=key.budget,
        accounts=tuple(others),
        correlation=request.correlation_id,
        tags=counted_tags(request.tags, key.item.get(set_name(windows.day), ())) if request.tags else (),
        number=key.item.get(f"d_{windows.day}", 0),
        tokens=request.tokens,
        facts=request.facts,
    )
