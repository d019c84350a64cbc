"""The accounts whose items of `limits` have to admit a call, in order: the key, the key on each model of the call's
plan for which it has a limit, its user, its team.

The narrower account comes first. It refuses more often, and a call that it refuses never takes anything, even for a
moment, from an account that others share. An account after the key is in the list only if something limits it, and
costs two writes for each call.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from gateway.errors import GatewayError
from gateway.identity.account_ids import Scope, model_item, team_item, user_item
from gateway.identity.caller import Caller, ModelLimits, Shared
from gateway.ledger.admission import Demand, Terms, Windows, terms_of, terms_of_limits
from gateway.ledger.answers import refused
from gateway.ledger.refusals import Refusal
from gateway.models.versions import one_model

if TYPE_CHECKING:
    from gateway.config.document import TierLimits

# The target that a model's name stands for now, None if it stands for nothing. The second argument is the geography
# that binds the caller's calls, empty for none.
Targets = Callable[[str, str], str | None]


class Account(Struct, frozen=True):
    """An item that has to admit a call, and its terms. `version` is the version of its record. `tier` is the key's
    tier, or the scope for an account that several keys share. `model` is the name in a key's limit on a model. `alone`:
    the account of a key none of whose calls has a further account, as is so for most keys."""

    id: str
    version: int
    terms: Terms
    scope: Scope
    tier: str
    model: str = ""
    alone: bool = False

    def refused(self, refusal: Refusal, demand: Demand, item: Mapping[str, Any], windows: Windows) -> GatewayError:
        """The answer of a refusal by this account."""
        return refused(self.scope, self.model, self.terms, refusal, demand, item, windows)


# The accounts of the callers that came last, by the identities of the caller and of its tier. Both are kept here with
# the account, so that no other object can get their identities. An authorizer's answer is one caller for a minute.
_kept: dict[tuple[int, int], tuple[Caller, TierLimits, Account]] = {}
_MOST_KEPT = 256


def key_account(caller: Caller, tiers: Callable[[str], TierLimits]) -> Account:
    tier = tiers(caller.tier)
    kept = _kept.get((id(caller), id(tier)))
    if kept is not None:
        return kept[2]
    if len(_kept) >= _MOST_KEPT:
        _kept.clear()
    alone = caller.user is None and caller.team is None and not caller.model_limits
    account = Account(caller.key_id, caller.version, terms_of(tier, caller.limits), "key", caller.tier, alone=alone)
    _kept[id(caller), id(tier)] = (caller, tier, account)
    return account


def further_accounts(caller: Caller, models: Collection[str], targets: Targets) -> list[Account]:
    """The accounts after the key's of a call that may go to these targets."""
    accounts = []
    for limit in caller.model_limits:
        if _covers(caller, limit, models, targets):
            accounts.append(model_account(caller, limit))
    if caller.user is not None:
        accounts.append(user_account(caller.user_id, caller.user))
    if caller.team is not None:
        accounts.append(team_account(caller.team_id, caller.team))
    return accounts


def _covers(caller: Caller, limit: ModelLimits, models: Collection[str], targets: Targets) -> bool:
    """Whether the name of a limit stood for one of these models when the limit was set, or stands for one now, for
    this caller. So changing an alias, or using another name of the model, does not lift a limit."""
    meant = [target for target in (limit.target, targets(limit.name, caller.bound_to)) if target]
    return any(one_model(target, asked) for target in meant for asked in models)


def model_account(caller: Caller, limit: ModelLimits) -> Account:
    """A key's limit on one model. It is part of the key's record, and has its version."""
    item = model_item(caller.key_id, limit.name)
    return Account(item, caller.version, terms_of_limits(limit.limits), "model", caller.tier, limit.name)


def user_account(user_id: str, user: Shared) -> Account:
    return Account(user_item(user_id), user.version, terms_of_limits(user.limits), "user", "user")


def team_account(team_id: str, team: Shared) -> Account:
    return Account(team_item(team_id), team.version, terms_of_limits(team.limits), "team", "team")
