"""The caller: the authorizer's findings, passed on as flat strings that every door can carry."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from gateway.limits import NUMBERS
from gateway.models.geographies import strictest

SCOPES = ("completions", "models", "catalogue", "mcp", "admin")
TIERS = ("free", "basic", "premium", "enterprise")
DURATIONS = ("daily", "weekly", "monthly", "total")  # of a budget
ESTIMATES = ("bound", "typical")  # what a call's hold is based on
YEAR_10000 = 253_402_300_800  # where the calendar of RFC 3339 ends, in seconds since the epoch


class Raise(Struct, frozen=True):
    """By how many micro-dollars a budget is raised for a while, and until when (seconds since the epoch). The raise no
    longer holds at that very moment."""

    by: int
    until: int


@dataclass(frozen=True, init=False)
class KeyLimits:
    """What one key overrides of its tier (if unset, the tier's value holds), or everything that limits a team, a user,
    or a key on one model. Its numbers are those of the table of limits (`gateway.limits.NUMBERS`), each by its name,
    and None if unset: `KeyLimits(rpm_limit=5).rpm_limit`.

    `burst_limit` is how many of a minute's calls may come at once. `max_budget` is in micro-dollars; `budget_duration`
    is daily, weekly, monthly or total. `shadow` names limits (as the config does) that count calls but refuse none; a
    tier's `shadow` applies to each of its keys. `estimate` says what a call holds of the budget: its upper bound
    (bound), or what such a call usually costs (typical). `budget_raise` raises the budget in force, the key's or its
    tier's, for a while.
    """

    given: tuple[tuple[str, int], ...]
    budget_duration: str
    shadow: tuple[str, ...]
    estimate: str
    budget_raise: Raise | None

    def __init__(
        self,
        given: Iterable[tuple[str, int]] = (),
        *,
        budget_duration: str = "monthly",
        shadow: tuple[str, ...] = (),
        estimate: str = "bound",
        budget_raise: Raise | None = None,
        **numbers: int | None,
    ) -> None:
        """Raises TypeError for a number that is not in the table of limits."""
        both = dict(given) | numbers
        if unknown := both.keys() - set(NUMBERS):
            raise TypeError(f"no such limit: {', '.join(sorted(unknown))}")
        kept = tuple((name, value) for name in NUMBERS if (value := both.get(name)) is not None)
        # Each number becomes an attribute, since a paid call asks for many of them.
        self.__dict__.update(dict.fromkeys(NUMBERS), **dict(kept))
        object.__setattr__(self, "given", kept)
        object.__setattr__(self, "budget_duration", budget_duration)
        object.__setattr__(self, "shadow", shadow)
        object.__setattr__(self, "estimate", estimate)
        object.__setattr__(self, "budget_raise", budget_raise)

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> int | None: ...

    @property
    def limited(self) -> bool:
        """Whether anything is limited at all."""
        return bool(self.given)


_NAMES = {name: name.title().replace("_", "") for name in NUMBERS}  # rpm_limit is keyRpmLimit, or teamRpmLimit


class Shared(Struct, frozen=True):
    """The limits of a key's team or user, over all of its keys. `version` is the record's."""

    version: int
    limits: KeyLimits


class ModelLimits(Struct, frozen=True):
    """A key's limits on one model. `name` is the name that the admin wrote, usually an alias. `target` is the target
    that the name meant when the limit was set. The limits apply to that target and to the one that the name means
    now."""

    name: str
    target: str
    limits: KeyLimits


class Caller(Struct, frozen=True):
    """A key as a paid call sees it.

    `version` is the key record's. The limits item carries it too, so a change of the key holds at the next paid call
    although this object may come from an authorizer's answer that is a minute old. Empty `models` means any. `team_id`
    and `user_id` are empty if the key has none; `team` and `user` are None if nothing limits them. `expires` is in
    seconds since the epoch, 0 for never. `generation` tells which of a key's secrets was sent: each rotation adds one.
    `allowed_ips` are the networks that it may be used from, empty for any. `residency` is the geography that the key's
    own rule binds its calls to, `team_residency` its team's; each is empty for none. `may_store`: its team allows a
    provider to store the requests and answers of calls that ask for storage.
    """

    key_id: str
    tier: str
    scopes: tuple[str, ...]
    version: int
    models: tuple[str, ...] = ()
    team_id: str = ""
    expires: int = 0
    limits: KeyLimits = field(default_factory=KeyLimits)
    team: Shared | None = None
    generation: int = 1
    user_id: str = ""
    user: Shared | None = None
    model_limits: tuple[ModelLimits, ...] = ()
    residency: str = ""
    team_residency: str = ""
    allowed_ips: tuple[str, ...] = ()
    may_store: bool = False

    @property
    def bound_to(self) -> str:
        """The geography that its calls are bound to by its own rule and its team's; empty for none."""
        return strictest(self.residency, self.team_residency)

    def may(self, scope: str) -> bool:
        return scope in self.scopes

    def to_context(self) -> dict[str, str]:
        """The authorizer's context. It has only strings, because an IAM policy answer takes nothing nested. Empty
        values are left out, since the context is a part of the event of each call."""
        context = {
            "keyGeneration": str(self.generation),
            "models": " ".join(self.models),
            "teamId": self.team_id,
            "userId": self.user_id,
            "expires": str(self.expires),
            "residency": self.residency,
            "teamResidency": self.team_residency,
            "allowedIps": " ".join(self.allowed_ips),
            "mayStore": "yes" if self.may_store else "",
        } | _spelled("key", self.limits)
        for owner, shared in (("team", self.team), ("user", self.user)):
            if shared is not None:
                context |= {f"{owner}Version": str(shared.version)} | _spelled(owner, shared.limits)
        if self.model_limits:
            context["modelLimits"] = json.dumps(stored_model_limits(self.model_limits), separators=(",", ":"))
        return {
            "keyId": self.key_id,
            "tier": self.tier,
            "scopes": " ".join(self.scopes),
            "keyVersion": str(self.version),
        } | {name: text for name, text in context.items() if text}

    @classmethod
    def from_context(cls, context: Mapping[str, Any]) -> Caller:
        """The inverse of `to_context`. Raises KeyError, TypeError or ValueError for anything that `to_context` can't
        have made."""
        # An authorizer's answer is cached for a minute, and comes with each call until then. It is known only if all of
        # it is the same. Comparing takes less than hashing it.
        key_id = context["keyId"]
        known = _KNOWN.get(key_id)
        if known is not None and known[0] == context:
            return known[1]
        caller = cls.of_text({name: str(value) for name, value in context.items()})
        _KNOWN[key_id] = dict(context), caller
        if len(_KNOWN) > _MOST_KNOWN:
            _KNOWN.popitem(last=False)
        return caller

    @classmethod
    def of_text(cls, text: Mapping[str, str]) -> Caller:
        """Like `from_context`, for a mapping whose values are all text."""
        return cls(
            key_id=text["keyId"],
            tier=text["tier"],
            scopes=tuple(text["scopes"].split()),
            version=int(text["keyVersion"]),
            models=tuple(text.get("models", "").split()),
            team_id=text.get("teamId", ""),
            expires=int(text.get("expires") or 0),
            limits=_read("key", text),
            team=_shared("team", text),
            generation=int(text.get("keyGeneration") or 1),
            user_id=text.get("userId", ""),
            user=_shared("user", text),
            model_limits=read_model_limits(json.loads(text.get("modelLimits") or "{}")),
            residency=text.get("residency", ""),
            team_residency=text.get("teamResidency", ""),
            allowed_ips=tuple(text.get("allowedIps", "").split()),
            may_store=text.get("mayStore") == "yes",
        )


_MOST_KNOWN = 256
_KNOWN: OrderedDict[str, tuple[dict[str, Any], Caller]] = OrderedDict()  # contexts and their callers, by key


def stored_limits(limits: KeyLimits) -> dict[str, Any]:
    """Limits as a record stores them: unset values are left out."""
    given: dict[str, Any] = dict(limits.given)
    chosen: dict[str, Any] = {"estimate": limits.estimate} if limits.estimate != "bound" else {}
    chosen |= {"budget_raise": list(_parts(limits.budget_raise))} if limits.budget_raise else {}
    return given | {"budget_duration": limits.budget_duration, "shadow": list(limits.shadow)} | chosen


def read_limits(stored: Mapping[str, Any]) -> KeyLimits:
    """The inverse of `stored_limits`. Raises TypeError for anything that `stored_limits` can't have made."""
    raised = stored.get("budget_raise")
    shadow, raised = tuple(stored.get("shadow", ())), None if raised is None else Raise(*raised)
    return KeyLimits(**{**stored, "shadow": shadow, "budget_raise": raised})


def can_hold(limits: KeyLimits) -> bool:
    """Whether each value has its type and can take effect."""
    return (
        all(isinstance(name, str) for name in limits.shadow)
        and limits.budget_duration in DURATIONS
        and limits.estimate in ESTIMATES
        and all(type(number) is int and number > 0 for number in _parts(limits.budget_raise))
        and (limits.budget_raise is None or limits.budget_raise.until < YEAR_10000)
        and all(type(limit) is int and limit >= (name != "max_budget") for name, limit in limits.given)
    )


def stored_model_limits(each: Iterable[ModelLimits]) -> dict[str, Any]:
    return {one.name: {"target": one.target, **stored_limits(one.limits)} for one in each}


def read_model_limits(stored: Mapping[str, Mapping[str, Any]]) -> tuple[ModelLimits, ...]:
    """The inverse of `stored_model_limits`, sorted by name. Raises KeyError or TypeError on anything else."""
    return tuple(
        ModelLimits(name, one["target"], read_limits({field: one[field] for field in one if field != "target"}))
        for name, one in sorted(stored.items())
    )


def _parts(raised: Raise | None) -> tuple[int, ...]:
    """The fields of a raise, in their order; none without a raise."""
    return () if raised is None else (raised.by, raised.until)


def _shared(owner: str, text: Mapping[str, str]) -> Shared | None:
    version = text.get(f"{owner}Version")
    return Shared(int(version), _read(owner, text)) if version else None


def _spelled(owner: str, limits: KeyLimits) -> dict[str, str]:
    numbers = {owner + name: getattr(limits, attribute) for attribute, name in _NAMES.items()}
    return {name: "" if value is None else str(value) for name, value in numbers.items()} | {
        f"{owner}BudgetDuration": limits.budget_duration,
        f"{owner}Shadow": " ".join(limits.shadow),
        f"{owner}Estimate": limits.estimate,
        f"{owner}BudgetRaise": " ".join(map(str, _parts(limits.budget_raise))),
    }


def _read(owner: str, text: Mapping[str, str]) -> KeyLimits:
    numbers = {attribute: int(text[owner + name]) for attribute, name in _NAMES.items() if text.get(owner + name)}
    duration = text.get(f"{owner}BudgetDuration") or "monthly"
    shadow, estimate = tuple(text.get(f"{owner}Shadow", "").split()), text.get(f"{owner}Estimate") or "bound"
    raised = text.get(f"{owner}BudgetRaise")
    return KeyLimits(
        numbers.items(),
        budget_duration=duration,
        shadow=shadow,
        estimate=estimate,
        budget_raise=Raise(*map(int, raised.split())) if raised else None,
    )
