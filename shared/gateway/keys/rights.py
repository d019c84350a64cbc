"""The rights of an admin's key: one table over the actor, the action, and the record before and after it. All is pure.

No key acts on a key that has more than itself, and no key turns another into one. Bounds can't be escaped. A key with
its own limit can't multiply it, a team's key stays with its team, and only keys that nothing bounds may change what
holds for everybody. `tests/unit/keys/test_rights.py` checks the table, and tries what any sequence of allowed steps
leads to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, Protocol

from msgspec import Struct

from gateway.errors import Forbidden
from gateway.identity.addresses import covers
from gateway.identity.caller import TIERS, Caller
from gateway.keys.holdings import Holder, Tiers, budget_in_effect, more
from gateway.limits import NUMBERS

KeyAction = Literal["create", "change", "rotate", "revoke", "delete"]
TeamAction = Literal["create", "change", "delete"]
Area = Literal["config", "breakers", "corrections", "products", "sessions"]
CODE = "not_permitted"


class Key(Holder, Protocol):
    """A key's record."""

    @property
    def id(self) -> str: ...
    @property
    def user_id(self) -> str: ...


class KeyWrite(Struct, frozen=True):
    """The intended write: `before` is None if a key is made, `after` is None if one is revoked or deleted."""

    actor: Caller
    before: Key | None
    after: Key | None
    tiers: Tiers


Rule = Callable[[KeyWrite], None]


def check_key(action: KeyAction, write: KeyWrite) -> None:
    """Raises Forbidden, whose param is the field that forbids the write."""
    for rule in KEY_RULES[action]:
        rule(write)


def check_team(action: TeamAction, actor: Caller) -> None:
    """Raises Forbidden. A team may hold keys of any tier, so its limits concern every key."""
    _check_unbound(actor, f"{action} teams", of_highest_tier=True)


def check_user(actor: Caller) -> None:
    """Raises Forbidden. A user may have keys of any tier and team, so the user's limits concern every key."""
    _check_unbound(actor, "set the limits of users", of_highest_tier=True)


def check_area(area: Area, actor: Caller) -> None:
    """Raises Forbidden if the actor may not change what holds for everybody."""
    # The config defines the tiers, so a key of a lower tier could raise its own.
    _check_unbound(actor, f"change {_AREAS[area]}", of_highest_tier=area == "config")


def check_sight(actor: Caller, team_id: str) -> None:
    """Raises Forbidden if a team's key asks for something outside its team. An empty id means no team."""
    if actor.team_id and actor.team_id != team_id:
        _refuse(f"A key of a team can read only its own team, '{actor.team_id}'.", "team_id")


def check_sight_of_user(actor: Caller, user_id: str) -> None:
    """Raises Forbidden if a key of a team, or of a user with limits, asks for another user."""
    if (actor.team_id or actor.user) and actor.user_id != user_id:
        _refuse("A key of a team, or of a user with limits, can read only its own user.", "user_id")


def inherited(actor: Caller, body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The fields of a new key. Networks, user and residency that the body leaves out are those of the key that makes
    it, if it may not bind the new key to others."""
    own: dict[str, Any] = {"allowed_ips": list(actor.allowed_ips)}
    own |= {} if is_full(actor) else {"user_id": actor.user_id, "residency": actor.residency}
    return {name: value for name, value in own.items() if value} | dict(body)


def bound_by(actor: Caller) -> str | None:
    """The field that bounds a key: its team, its user's limits, its own limits, its models, its residency, its end.
    None for a key that nothing bounds. Its addresses are not such a bound: they say where the key is used from, not
    what for.

    The secret before a rotation ends too, so a caller that uses it is bound.
    """
    if actor.team_id:
        return "team_id"
    if actor.user:
        return "user_id"
    bounds = (("models", actor.models), ("residency", actor.residency), ("expires", actor.expires))
    return _own_limit(actor) or next((field for field, bound in bounds if bound), None)


def _own_limit(actor: Caller) -> str | None:
    """The field of the first limit that belongs only to this key."""
    own = next((name for name in ("max_budget", *NUMBERS) if getattr(actor.limits, name) is not None), None)
    return own or ("model_limits" if actor.model_limits else None)


def is_full(actor: Caller) -> bool:
    """Whether nothing bounds a key and its tier is the highest: no key can have more, except for scopes."""
    return bound_by(actor) is None and actor.tier == TIERS[-1]


def _not_above(write: KeyWrite) -> None:
    """The key as it is has no more than the actor."""
    if write.before is None:
        return
    if is_full(write.actor):  # a tier's numbers may become anything, and somebody must be able to revoke every key
        above = next((scope for scope in write.before.scopes if not write.actor.may(scope)), None)
        if above:
            _refuse(f"This key can't act on a key with more rights: it lacks the scope '{above}'.", "scopes")
        return
    found = more(write.actor, write.before, write.tiers)
    if found:
        _refuse(f"This key can't act on a key with more rights: {found.reason}.", found.field)


def _not_more(write: KeyWrite) -> None:
    """The key as it will be has no more than the actor. If the key gains nothing, a full admin may always change it. A
    full admin may also put a key's limits in shadow, as with a tier's."""
    full = is_full(write.actor)
    if write.after is None or (full and not _gains(write)):
        return
    found = more(write.actor, write.after, write.tiers, shadow=not full)
    if found:
        _refuse(f"This key can't give a key more rights than it has: {found.reason}.", found.field)


def _own_user(write: KeyWrite) -> None:
    """A key's user decides whose limits hold for it and whose allowance it uses, so only full admins choose the user.
    Other actors make keys only for their own user, or for none if they have none, and change no key's user. An actor
    with a user's limits acts on no other user's keys."""
    actor, before, after = write.actor, write.before, write.after
    if is_full(actor):
        return
    own = actor.user_id if before is None else before.user_id
    if after is not None and after.user_id != own:
        _refuse("Only a key of the highest tier that nothing limits can set the user of a key.", "user_id")
    if actor.user and before is not None and before.user_id != actor.user_id:
        _refuse(f"This key can act only on keys of its own user, '{actor.user_id}'.", "user_id")


def _from_where_it_may_be_used(write: KeyWrite) -> None:
    """A key that is bound to addresses makes secrets only for keys that are bound to those too. A secret that works
    elsewhere would escape that bound."""
    if write.after is not None and not covers(write.actor.allowed_ips, write.after.allowed_ips):
        reason = "it may be used only from some addresses, and the other key's must be among them"
        _refuse(f"This key can't make a secret that works at other addresses: {reason}.", "allowed_ips")


def _gains_what_may_be_made(write: KeyWrite) -> None:
    """A key that gets more than it had counts as a new one."""
    if _gains(write):
        _may_make(write)


def _own_secret_or_may_make(write: KeyWrite) -> None:
    """A new secret of another key puts that key's money into other hands."""
    if write.before is None or write.before.id != write.actor.key_id:
        _may_make(write)


def _may_make(write: KeyWrite) -> None:
    """Keys made by a limited key add up to more than its limit: only the budget of a team or a user binds them
    together."""
    actor = write.actor
    own = _own_limit(actor)
    if own:
        _refuse(f"A key with its own limits can't create keys or give them more: its {own} would multiply.", own)
    shared = [each.limits for each in (actor.team, actor.user) if each]
    if actor.team_id or actor.user:
        if not any(each.max_budget is not None and "budget" not in each.shadow for each in shared):
            field, whose = ("team_id", "team") if actor.team_id else ("user_id", "user")
            _refuse(f"A key of a {whose} can create keys, or give them more, only if the {whose} has a budget.", field)
    elif not is_full(actor) and budget_in_effect(actor, write.tiers) is not None:
        _refuse(
            f"A key of the tier {actor.tier} can't create keys, because they would multiply the tier's budget.",
            "max_budget",
        )


def _gains(write: KeyWrite) -> bool:
    before, after = write.before, write.after
    if after is None:
        return False
    if before is None or (before.team_id, before.user_id) != (after.team_id, after.user_id):
        return True
    return more(before, after, write.tiers) is not None


KEY_RULES: Mapping[KeyAction, tuple[Rule, ...]] = {
    "create": (_not_more, _own_user, _may_make),
    "change": (_not_above, _not_more, _own_user, _gains_what_may_be_made),
    "rotate": (_not_above, _not_more, _from_where_it_may_be_used, _own_user, _own_secret_or_may_make),
    "revoke": (_not_above, _own_user),
    "delete": (_not_above, _own_user),
}
_AREAS: Mapping[Area, str] = {
    "config": "config, prices and tiers",
    "breakers": "circuit breakers",
    "corrections": "the bill",
    "products": "the catalogue",
    "sessions": "the stored data of sessions",
}


def _check_unbound(actor: Caller, what: str, *, of_highest_tier: bool) -> None:
    bound = bound_by(actor)
    if bound:
        _refuse(f"This key can't {what}, because it is bound by its {bound}.", bound)
    if of_highest_tier and actor.tier != TIERS[-1]:
        _refuse(f"Only a key of the tier {TIERS[-1]} can {what}, and this key's tier is {actor.tier}.", "tier")


def _refuse(message: str, field: str) -> None:
    raise Forbidden(message, code=CODE, param=field)
