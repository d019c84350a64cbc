"""The table of rights: every kind of actor against every kind of key, and everything that a series of allowed steps
leads to."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from itertools import combinations
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.config.document import TierLimits
from gateway.errors import Forbidden
from gateway.identity.addresses import covers
from gateway.identity.caller import SCOPES, TIERS, Caller, KeyLimits, ModelLimits, Raise, Shared
from gateway.identity.store import KeyRecord
from gateway.keys.holdings import budget_in_effect, more
from gateway.keys.rights import (
    KEY_RULES,
    Area,
    KeyAction,
    KeyWrite,
    TeamAction,
    bound_by,
    check_area,
    check_key,
    check_sight,
    check_team,
    check_user,
    inherited,
    is_full,
)
from gateway.limits import NUMBERS

FULL = Caller("admin", "enterprise", SCOPES, version=1)
RECORD = KeyRecord("k", "0" * 64, "test", "free", ("models",), "2026-11-24T00:00:00.000Z")
BUDGET, PLAIN = Shared(1, KeyLimits(max_budget=5)), None
INFINITE = 1e12
HOME = ("10.0.0.0/8",)
LATER, SOON = 2_000_000_000, 1_900_000_000
LEVEL = {name: TierLimits(requests_per_minute=10 * 10**rank) for rank, name in enumerate(TIERS)}
TIERS_WITH_SHADOW = {
    "free": TierLimits(requests_per_minute=10),
    "basic": TierLimits(requests_per_minute=100, shadow=("requestsPerHour", "tokensPerMinute")),
    "enterprise": TierLimits(requests_per_minute=1_000, shadow=("tokensPerMinute",)),
}


def numbers(name: str, value: int) -> dict[str, Any]:
    return {name: value}


BOUND: dict[str, dict[str, Any]] = {
    "team_id": {"team_id": "blue", "team": BUDGET},
    "user_id": {"user_id": "ann", "user": BUDGET},
    "model_limits": {"model_limits": (ModelLimits("opus", "bedrock/opus", KeyLimits(max_budget=5)),)},
    "models": {"models": ("gpt-4",)},
    "residency": {"residency": "eu"},
    "expires": {"expires": SOON},
    **{name: {"limits": KeyLimits(**numbers(name, 5))} for name in NUMBERS},
}


def refused(check: Callable[..., None], *facts: Any) -> str | None:
    """The field that is refused; None if nothing is."""
    try:
        check(*facts)
    except Forbidden as error:
        return error.param if error.code == "not_permitted" else f"{error.param}: {error.code}"
    return None


def asked(
    action: KeyAction, actor: Caller, before: KeyRecord | None, after: KeyRecord | None, tiers: Any = LEVEL
) -> str | None:
    return refused(check_key, action, KeyWrite(actor, before, after, tiers.__getitem__))


def granted(own: dict[str, Any], wanted: dict[str, Any], tier: str = "free") -> str | None:
    """The rights that a key has and a full admin's key with its own limits has not."""
    has = replace(FULL, limits=KeyLimits(**own))
    found = more(has, replace(RECORD, tier=tier, limits=KeyLimits(**wanted)), TIERS_WITH_SHADOW.__getitem__)
    return found.field if found else None


@pytest.mark.parametrize("name", NUMBERS)
def test_each_limit_bounds_what_is_granted(name: str) -> None:
    assert granted({name: 5}, {name: 5}) is None
    assert granted({name: 5}, {name: 6}) == name
    assert granted({name: 5}, {}) == name
    assert granted({}, {name: 6}) is None


@pytest.mark.parametrize(
    ("own", "wanted", "refused"),
    [
        ({"rpm_limit": 5}, {"rpm_limit": 5, "burst_limit": 5}, None),
        ({"rpm_limit": 5}, {"rpm_limit": 5, "burst_limit": 6}, "burst_limit"),  # its own rate is its own burst
        ({"rpm_limit": 5, "burst_limit": 9}, {"rpm_limit": 5, "burst_limit": 9}, None),
        ({"rpm_limit": 5, "burst_limit": 2}, {"rpm_limit": 5}, "burst_limit"),
        ({"burst_limit": 5}, {"rpm_limit": 5}, None),
        ({"burst_limit": 5}, {"rpm_limit": 6}, "burst_limit"),
    ],
)
def test_what_may_come_at_once_is_bounded_too(own: dict[str, int], wanted: dict[str, int], refused: str | None) -> None:
    assert granted(own, wanted) == refused


def test_a_budget_is_granted_for_the_same_time() -> None:
    assert granted({"max_budget": 5}, {"max_budget": 5, "budget_duration": "daily"}) == "budget_duration"


FIELDS = {
    "requestsPerMinute": "rpm_limit",
    "requestsPerHour": "rph_limit",
    "requestsPerDay": "rpd_limit",
    "tokensPerHour": "tph_limit",
    "tokensPerDay": "tpd_limit",
    "maxParallelRequests": "max_parallel_requests",
    "budget": "max_budget",
}


@pytest.mark.parametrize(("limit", "field"), FIELDS.items())
def test_a_key_that_is_limited_makes_none_whose_limit_only_counts(limit: str, field: str) -> None:
    own, shadow = {field: 5}, {"shadow": (limit,)}
    assert granted(own, own | shadow) == "shadow"
    assert granted(own | shadow, own | shadow) is None  # it has no limit itself
    by_tier = "requestsPerMinute"  # every tier limits this
    assert granted({}, own | shadow) == ("shadow" if limit == by_tier else None)
    others = tuple(name for name in FIELDS if name not in (limit, by_tier))
    assert granted(own | {"shadow": others}, own | shadow) == "shadow"
    assert granted(own, own | {"shadow": others}) is None


TIER_LIMITS = {
    "requestsPerMinute": {},
    "requestsPerHour": {"requests_per_hour": 9},
    "requestsPerDay": {"requests_per_day": 9},
    "tokensPerMinute": {"tokens_per_minute": 9},
    "tokensPerHour": {"tokens_per_hour": 9},
    "tokensPerDay": {"tokens_per_day": 9},
    "maxParallelRequests": {"max_parallel_requests": 9},
    "budget": {"max_budget": 1.0},
}


@pytest.mark.parametrize(("name", "limit"), TIER_LIMITS.items())
def test_a_tier_s_limit_is_not_put_in_shadow_by_its_own_keys(name: str, limit: dict[str, Any]) -> None:
    tiers = LEVEL | {"free": LEVEL["free"].model_copy(update=limit)}
    itself = replace(RECORD, id="admin", scopes=SCOPES, tier="free", team_id="blue")
    actor = replace(caller_of(itself), key_id=itself.id)
    shadowed = replace(itself, limits=KeyLimits(shadow=(name,)))
    assert asked("change", actor, itself, shadowed, tiers) == "shadow"
    assert asked("create", actor, None, replace(shadowed, id="new"), tiers) == "shadow"
    assert asked("rotate", actor, replace(shadowed, id="other"), replace(shadowed, id="other"), tiers) == "shadow"
    trying = tiers | {"free": tiers["free"].model_copy(update={"shadow": (name,)})}
    assert asked("change", actor, itself, shadowed, trying) is None  # it refuses nobody in the tier
    assert asked("change", FULL, itself, shadowed, tiers) is None  # it may put a limit of a tier in shadow too
    assert asked("create", FULL, None, replace(shadowed, id="new"), tiers) is None


def test_nor_by_a_burst_or_by_another_tier() -> None:
    assert granted({"burst_limit": 5}, {"burst_limit": 5, "shadow": ("requestsPerMinute",)}) == "shadow"
    assert granted({"rph_limit": 5}, {"rph_limit": 5}, tier="basic") == "tier"
    assert granted({"rph_limit": 5}, {"rph_limit": 5}, tier="enterprise") is None
    assert granted({"tpm_limit": 5}, {"tpm_limit": 5}, tier="basic") is None  # in its own tier it is in shadow too
    assert granted({"tpm_limit": 5}, {"tpm_limit": 5, "shadow": ("tokensPerMinute",)}) is None


@pytest.mark.parametrize(("field", "bound"), BOUND.items())
def test_what_holds_for_everybody_is_set_by_keys_that_nothing_bounds(field: str, bound: dict[str, Any]) -> None:
    actor = replace(FULL, **bound)
    assert (bound_by(actor), bound_by(FULL)) == (field, None)
    for area in get_args(Area):
        assert refused(check_area, area, actor) == field
        assert refused(check_area, area, FULL) is None
    for action in get_args(TeamAction):
        assert refused(check_team, action, actor) == field
        assert refused(check_team, action, FULL) is None
    assert (refused(check_user, actor), refused(check_user, FULL)) == (field, None)


@pytest.mark.parametrize("tier", TIERS[:-1])
def test_a_lower_tier_can_t_say_what_tiers_and_teams_are(tier: str) -> None:
    lower = replace(FULL, tier=tier)
    assert refused(check_area, "config", lower) == "tier"
    assert all(refused(check_team, action, lower) == "tier" for action in get_args(TeamAction))
    assert all(refused(check_area, area, lower) is None for area in get_args(Area)[1:])


def test_a_team_s_key_sees_its_team_and_others_see_all() -> None:
    member = replace(FULL, team_id="blue")
    for team, seen in (("blue", True), ("red", False), ("", False)):
        assert (refused(check_sight, member, team) is None) is seen
        assert refused(check_sight, FULL, team) is None


# Pairs of an actor and a key that has more than the actor in one respect.
ABOVE: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "scopes": ({"scopes": ("models", "admin")}, {"scopes": ("completions",)}),
    "tier": ({"tier": "basic"}, {"tier": "premium"}),
    "models": ({"models": ("gpt-4",)}, {"models": ("gpt-4", "other")}),
    "any model": ({"models": ("gpt-4",)}, {}),
    "residency": ({"residency": "apac"}, {"residency": "eu"}),
    "any residency": ({"residency": "eu"}, {}),
    "wider residency": ({"residency": "jp"}, {"residency": "apac"}),
    "team_id": ({"team_id": "blue", "team": BUDGET}, {"team_id": "red"}),
    "no team": ({"team_id": "blue", "team": BUDGET}, {}),
    "expires": ({"expires": SOON}, {"expires": LATER}),
    "no end": ({"expires": SOON}, {}),
    "of its tier": ({"tier": "basic"}, {"limits": KeyLimits(rpm_limit=101)}),
    "raise": ({"limits": KeyLimits(max_budget=5)}, {"limits": KeyLimits(max_budget=5, budget_raise=Raise(1, SOON))}),
    "allowed_ips": ({"tier": "basic", "allowed_ips": HOME}, {"allowed_ips": (*HOME, "192.0.2.0/24")}),
    "any address": ({"tier": "basic", "allowed_ips": HOME}, {}),
    "no limit": ({"limits": KeyLimits(rpd_limit=5)}, {}),
    "shadow": ({"limits": KeyLimits(rpd_limit=5)}, {"limits": KeyLimits(rpd_limit=5, shadow=("requestsPerDay",))}),
}


@pytest.mark.parametrize("case", ABOVE)
@pytest.mark.parametrize("action", get_args(KeyAction))
def test_nobody_acts_on_what_has_more_before_or_after(action: KeyAction, case: str) -> None:
    own, theirs = ABOVE[case]
    actor, above = replace(FULL, **own), replace(RECORD, **theirs)
    # The least key that the actor may have to do with: one like its own.
    below = replace(RECORD, **{name: value for name, value in own.items() if name != "team"})
    below = replace(below, scopes=("models",))
    if action == "create":
        assert asked(action, actor, None, above)
        return
    for before, after in ((above, above), (above, below), (above, None)):
        assert asked(action, actor, before, after), (before, after)
    if action in ("change", "rotate"):
        assert asked(action, actor, below, above)


@pytest.mark.parametrize("case", ["team_id", "models", "residency", "expires", "tier"])
@pytest.mark.parametrize("action", get_args(KeyAction))
def test_what_is_within_its_own_an_admin_may_do(action: KeyAction, case: str) -> None:
    own = ABOVE[case][0]
    fields = {name: value for name, value in own.items() if name != "team"}
    actor, key = replace(FULL, **own), replace(RECORD, **fields)
    lower = replace(key, tier="free", scopes=("models",), limits=KeyLimits(rpm_limit=1))
    assert asked(action, actor, None if action == "create" else key, lower) is None
    if action == "change":
        assert asked(action, actor, lower, key) is None


@pytest.mark.parametrize("name", NUMBERS)
def test_a_limit_of_its_own_is_not_multiplied(name: str) -> None:
    """An actor gains nothing by making keys, by giving them more, by moving them, or by taking over their secrets."""
    limits, least = KeyLimits(**numbers(name, 5)), KeyLimits(**numbers(name, 1))
    actor = replace(FULL, limits=limits)
    key, less = replace(RECORD, limits=limits), replace(RECORD, limits=least)
    assert asked("create", actor, None, less) == name
    assert asked("change", actor, less, key) == name
    assert asked("change", actor, key, replace(key, team_id="red")) == name
    assert asked("change", actor, key, replace(key, scopes=("completions", "models"))) == name
    assert asked("rotate", actor, key, key) == name
    assert asked("change", actor, key, less) is None
    assert asked("change", actor, key, replace(key, name="other")) is None
    assert asked("revoke", actor, key, None) is None
    itself = replace(key, id=actor.key_id, scopes=SCOPES, tier="enterprise")
    assert asked("rotate", actor, itself, itself) is None
    assert asked("change", actor, itself, replace(itself, limits=KeyLimits())) == name


@pytest.mark.parametrize(
    ("team", "may"),
    [
        (BUDGET, True),
        (None, False),
        (Shared(1, KeyLimits(rpm_limit=5)), False),
        (Shared(1, KeyLimits(max_budget=5, shadow=("budget",))), False),
    ],
)
def test_a_team_s_admin_makes_keys_where_a_budget_binds_them(team: Shared | None, may: bool) -> None:
    actor, key = replace(FULL, team_id="blue", team=team), replace(RECORD, team_id="blue")
    makes = (
        asked("create", actor, None, key),
        asked("rotate", actor, key, key),
        asked("change", actor, key, replace(key, tier="basic")),
    )
    assert [field is None for field in makes] == [may] * 3
    assert asked("change", actor, key, replace(key, name="other")) is None
    assert asked("revoke", actor, key, None) is None
    budgeted = replace(actor, limits=KeyLimits(max_budget=5))
    assert asked("create", budgeted, None, replace(key, limits=KeyLimits(max_budget=1))) == "max_budget"


def test_a_tier_s_budget_is_not_multiplied_either() -> None:
    budget = {name: limits.model_copy(update={"max_budget": 1.0}) for name, limits in LEVEL.items()}
    shadow = {name: limits.model_copy(update={"shadow": ("budget",)}) for name, limits in budget.items()}
    lower = replace(FULL, tier="free")
    assert asked("create", lower, None, RECORD, budget) == "max_budget"
    assert asked("create", lower, None, RECORD, shadow) is None
    assert asked("create", FULL, None, RECORD, budget) is None  # it could also change the tier's budget


def test_a_full_admin_can_end_every_key_whatever_became_of_its_tier() -> None:
    tight = LEVEL | {"enterprise": TierLimits(requests_per_minute=1, requests_per_day=1, max_budget=1.0)}
    assert is_full(FULL)
    key = replace(RECORD, limits=KeyLimits(rpm_limit=50, max_budget=9, budget_duration="daily"))
    for action, after in (("revoke", None), ("delete", None), ("rotate", key), ("change", replace(key, name="x"))):
        assert asked(action, FULL, key, after, tight) is None  # type: ignore[arg-type]
    assert asked("change", FULL, key, replace(key, limits=KeyLimits(rpm_limit=51)), tight) == "rpm_limit"
    assert asked("revoke", replace(FULL, scopes=("admin",)), key, None, tight) == "scopes"


@pytest.mark.parametrize("user", [None, BUDGET, Shared(1, KeyLimits(rpm_limit=5))])
def test_only_full_admins_say_whose_user_a_key_is(user: Shared | None) -> None:
    """Any other maker of keys makes them for its own user, and takes no key away from its user."""
    actor, key = replace(FULL, tier="premium", user_id="ann", user=user), replace(RECORD, user_id="ann")
    for other in ("", "bob"):
        assert asked("create", actor, None, replace(key, user_id=other)) == "user_id"
        assert asked("change", actor, key, replace(key, user_id=other)) == "user_id"
        assert asked("create", FULL, None, replace(key, user_id=other)) is None
        assert asked("change", FULL, key, replace(key, user_id=other)) is None
        for action, after in (("revoke", None), ("rotate", replace(key, user_id=other))):
            refused = asked(action, actor, replace(key, user_id=other), after)  # type: ignore[arg-type]
            assert refused == ("user_id" if user else None)
    binds = user is None or user.limits.max_budget is not None
    assert asked("create", actor, None, key) == (None if binds else "user_id")
    assert asked("create", replace(FULL, tier="premium"), None, key) == "user_id"
    assert inherited(actor, {"name": "x"}) == {"name": "x", "user_id": "ann"}
    assert inherited(actor, {"user_id": "bob"}) == {"user_id": "bob"}
    assert inherited(FULL, {"name": "x"}) == {"name": "x"}


def test_nobody_who_holds_upper_bounds_makes_a_key_that_does_not() -> None:
    lower = replace(FULL, tier="premium")
    typical = replace(RECORD, limits=KeyLimits(estimate="typical"))
    assert asked("create", lower, None, typical) == "estimate"
    assert asked("change", lower, RECORD, typical) == "estimate"
    assert asked("create", replace(lower, limits=KeyLimits(estimate="typical")), None, typical) is None
    assert asked("create", FULL, None, typical) is None
    own = replace(lower, model_limits=on_opus())
    wanted = (replace(on_opus()[0], limits=KeyLimits(max_budget=5, estimate="typical")),)
    before = replace(RECORD, model_limits=on_opus())
    assert asked("change", own, before, replace(before, model_limits=wanted)) == "estimate"


def test_a_limit_on_a_model_is_neither_multiplied_nor_lost() -> None:
    actor, own = replace(FULL, model_limits=on_opus()), replace(RECORD, model_limits=on_opus())
    assert asked("create", actor, None, own) == "model_limits"
    other_name = (replace(on_opus()[0], name="bedrock/opus"),)
    for after in ((), on_opus(6), on_opus(5, "budget"), other_name):
        assert asked("change", actor, own, replace(own, model_limits=after)) == "model_limits"
    assert asked("change", actor, own, replace(own, model_limits=on_opus(4))) is None
    assert asked("change", FULL, own, RECORD) is None
    assert asked("revoke", actor, RECORD, None) == "model_limits"  # it has more: the whole model


def test_every_action_has_its_rules() -> None:
    assert set(KEY_RULES) == set(get_args(KeyAction))
    assert all(KEY_RULES.values())


def on_opus(budget: int = 5, *shadow: str) -> tuple[ModelLimits, ...]:
    return (ModelLimits("opus", "bedrock/opus", KeyLimits(max_budget=budget, shadow=shadow)),)


RAISES = [None, None, Raise(3, SOON), Raise(60, LATER)]
limits_of = st.builds(
    KeyLimits,
    budget_raise=st.sampled_from(RAISES),
    rpm_limit=st.sampled_from([None, 3, 30]),
    max_budget=st.sampled_from([None, 1, 50]),
    budget_duration=st.sampled_from(["daily", "total"]),
    shadow=st.sampled_from([(), ("budget",), ("requestsPerMinute",)]),
)
values: dict[str, st.SearchStrategy[Any]] = {
    "tier": st.sampled_from(TIERS),
    "scopes": st.sampled_from([("admin",), ("models", "admin"), ("completions",), SCOPES]),
    "models": st.sampled_from([(), ("a",), ("a", "b")]),
    "team_id": st.sampled_from(["", "blue", "red"]),
    "expires": st.sampled_from([0, SOON, LATER]),
    "limits": limits_of,
    "user_id": st.sampled_from(["", "ann", "bob"]),
    "model_limits": st.sampled_from([(), on_opus(), on_opus(9), on_opus(5, "budget")]),
    "allowed_ips": st.sampled_from([(), (), ("10.0.0.0/8",), ("10.1.0.0/16", "2001:db8::/32"), ("192.0.2.1/32",)]),
}
fields, some = st.fixed_dictionaries(values), st.fixed_dictionaries({}, optional=values)
TEAMS = {"": None, "blue": BUDGET, "red": Shared(1, KeyLimits(rpm_limit=9))}
steps = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from(get_args(KeyAction)), st.integers(0, 5), fields),
    min_size=1,
    max_size=8,
)


USERS = {"": None, "ann": Shared(1, KeyLimits(max_budget=7)), "bob": None}


def caller_of(key: KeyRecord) -> Caller:
    return replace(key.caller(), team=TEAMS[key.team_id], user=USERS[key.user_id])


def money(keys: list[KeyRecord], tiers: Any) -> float:
    """The amount that keys can spend together, counting a budget's own window once: the budgets of a team and of a user
    bind their keys. It is the greatest flow from teams to users, which is the least cut between them."""
    own: defaultdict[tuple[str, str], float] = defaultdict(float)
    for key in keys:
        budget = budget_in_effect(key, tiers.__getitem__)
        raised = key.limits.budget_raise
        own[key.team_id, key.user_id] += INFINITE if budget is None else budget + (raised.by if raised else 0)
    cuts = []
    for teams in subsets({team for team, _ in own}):
        for users in subsets({user for _, user in own}):
            cut = sum(shared_budget(TEAMS[team]) for team in teams) + sum(shared_budget(USERS[user]) for user in users)
            cuts.append(cut + sum(most for (t, u), most in own.items() if t not in teams and u not in users))
    return min(cuts)


def shared_budget(shared: Shared | None) -> float:
    budget = shared.limits.max_budget if shared else None
    return INFINITE if budget is None else budget


def subsets(names: Iterable[str]) -> list[tuple[str, ...]]:
    return [each for size in range(len(TEAMS) + 1) for each in combinations(names, size)]


def money_on_opus(keys: list[KeyRecord]) -> float:
    """The amount that keys can spend together on this one model."""
    limits = [each.limits for key in keys for each in key.model_limits[:1]]
    budgets = [INFINITE if each.shadow else each.max_budget or 0 for each in limits]
    return sum(budgets) + INFINITE * (len(keys) - len(limits))


@settings(max_examples=500, deadline=None)
@given(start=fields, others=st.lists(some, max_size=3), walk=steps, tight=st.booleans())
def test_no_row_of_allowed_steps_gives_a_limited_actor_more(
    start: dict[str, Any], others: list[dict[str, Any]], walk: list[Any], tight: bool
) -> None:
    """The actor controls its own key, each key that it makes, and each key whose secret it gets. All of them act."""
    tiers = LEVEL
    if tight:
        tiers = LEVEL | {"free": LEVEL["free"].model_copy(update={"max_budget": 0.00002, "budget_duration": "daily"})}
    first = replace(RECORD, id="k0", **(start | {"scopes": tuple(sorted({*start["scopes"], "admin"}))}))
    records = [first, *(replace(first, id=f"k{n}", **each) for n, each in enumerate(others, start=1))]
    mine, whole = {"k0"}, is_full(caller_of(first))
    at_start, had, on_one = first, money([first], tiers), money_on_opus([first])
    for number, (by, action, on, wanted) in enumerate(walk):
        actors = [key for key in records if key.id in mine and "admin" in key.scopes]
        if not actors:
            return
        acting = actors[by % len(actors)]
        actor, target = caller_of(acting), records[on % len(records)]
        made = replace(acting if action == "create" else target, **wanted)
        before: KeyRecord | None = target
        after: KeyRecord | None = made if action == "change" else target
        if action == "create":
            before, after = None, replace(made, id=f"k{number}new")
        if action in ("revoke", "delete"):
            after = None
        if asked(action, actor, before, after, tiers):
            continue
        if before is not None and not whole:
            assert more(caller_of(at_start), before, tiers.__getitem__) is None  # never on a key that has more
        records = [key for key in records if before is None or key.id != before.id]
        if after is not None:
            records.append(after)
            if action in ("create", "rotate"):
                mine.add(after.id)
        if not records:
            return
        controlled = [key for key in records if key.id in mine]
        assert all(covers(first.allowed_ips, key.allowed_ips) for key in controlled)  # whatever its rank
        if not whole:
            assert all(more(at_start, key, tiers.__getitem__) is None for key in controlled)
            assert money(controlled, tiers) <= had
            assert on_one >= INFINITE or money_on_opus(controlled) <= on_one
            assert not USERS[first.user_id] or {key.user_id for key in controlled} <= {first.user_id}


@pytest.mark.parametrize(
    ("actor", "said"),
    [
        (replace(FULL, team_id="red"), "This key can't change config, prices and tiers, because it is bound"),
        (
            replace(FULL, tier="basic"),
            "Only a key of the tier enterprise can change config, prices and tiers, and this",
        ),
    ],
)
def test_a_refusal_says_no_more_than_is_so(actor: Caller, said: str) -> None:
    with pytest.raises(Forbidden) as error:
        check_area("config", actor)
    assert error.value.message.startswith(said)


def test_a_bound_key_makes_keys_that_are_bound_no_less() -> None:
    bound = replace(FULL, residency="apac")
    assert inherited(bound, {"name": "k"}) == {"name": "k", "residency": "apac"}
    assert inherited(bound, {"name": "k", "residency": "jp"})["residency"] == "jp"
    assert inherited(FULL, {"name": "k"}) == {"name": "k"}
    narrower = replace(RECORD, tier="free", scopes=("models",), residency="jp")
    assert asked("create", bound, None, narrower) is None
    # The bounds of a team bind its keys too, so they need not be repeated.
    member = replace(FULL, team_id="blue", team=BUDGET, team_residency="eu")
    assert asked("create", member, None, replace(narrower, team_id="blue", residency="")) is None


@pytest.mark.parametrize(
    ("own", "wanted", "refused"),
    [
        ({"max_budget": 5}, {"max_budget": 3, "budget_raise": Raise(2, LATER)}, None),  # never above its own
        ({"max_budget": 5}, {"max_budget": 3, "budget_raise": Raise(3, SOON)}, "budget_raise"),
        ({"max_budget": 5, "budget_raise": Raise(4, SOON)}, {"max_budget": 3, "budget_raise": Raise(6, SOON)}, None),
        (
            {"max_budget": 5, "budget_raise": Raise(4, SOON)},
            {"max_budget": 5, "budget_raise": Raise(5, SOON)},
            "budget_raise",
        ),
        (
            {"max_budget": 5, "budget_raise": Raise(4, SOON)},
            {"max_budget": 5, "budget_raise": Raise(4, LATER)},
            "budget_raise",
        ),
        ({"max_budget": 5, "budget_raise": Raise(4, SOON)}, {"max_budget": 9}, "max_budget"),  # only for a while
        ({}, {"max_budget": 5, "budget_raise": Raise(5, LATER)}, None),
    ],
)
def test_a_raise_is_granted_within_one_s_own(own: dict[str, Any], wanted: dict[str, Any], refused: str | None) -> None:
    assert granted(own, wanted) == refused


def test_an_admin_s_addresses_bind_whom_it_makes_and_not_what_it_may_do() -> None:
    home, wider = ("10.0.0.0/8",), ("10.0.0.0/8", "192.0.2.0/24")
    actor, key = replace(FULL, allowed_ips=home), replace(RECORD, allowed_ips=("10.1.0.0/16",))
    assert (bound_by(actor), is_full(actor)) == (None, True)
    assert inherited(actor, {"name": "k"}) == {"name": "k", "allowed_ips": list(home)}
    assert inherited(actor, {"name": "k", "allowed_ips": ["10.1.0.0/16"]})["allowed_ips"] == ["10.1.0.0/16"]
    itself = replace(RECORD, id=actor.key_id, tier="enterprise", scopes=SCOPES, allowed_ips=home)
    for after in ((), wider, ("192.0.2.1/32",)):
        assert asked("create", actor, None, replace(key, allowed_ips=after)) == "allowed_ips"
        assert asked("change", actor, key, replace(key, allowed_ips=after)) == "allowed_ips"
        assert asked("change", actor, itself, replace(itself, allowed_ips=after)) == "allowed_ips"
        elsewhere = replace(key, allowed_ips=after)
        assert asked("rotate", actor, elsewhere, elsewhere) == "allowed_ips"
        assert asked("revoke", actor, elsewhere, None) is None  # somebody must be able to end every key
        assert asked("change", actor, elsewhere, replace(elsewhere, name="x")) is None
        assert asked("rotate", FULL, elsewhere, elsewhere) is None
    assert asked("create", actor, None, key) is None
    assert asked("rotate", actor, key, key) is None
    assert asked("rotate", actor, itself, itself) is None
