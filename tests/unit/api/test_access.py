"""The caller of a request: taken from the authorizer's context, or checked here if the authorizer could not do it."""

from collections.abc import Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from gateway import context
from gateway.api.access import caller_of
from gateway.api.message import Request
from gateway.api.pace import Buckets, Pace
from gateway.errors import Forbidden, StoreUnavailable, Unauthorized
from gateway.identity import key_text as keys
from gateway.identity.caller import Caller, KeyLimits, Raise, Shared
from gateway.identity.store import KeyRecord, TeamRecord, UserRecord
from gateway.identity.verification import Identity
from gateway.limits import NUMBERS

KEY = keys.new_key()
CALLER = Caller(
    key_id="abc",
    tier="free",
    scopes=("completions", "models"),
    version=3,
    models=("gpt-4",),
    team_id="blue",
    limits=KeyLimits(
        ((name, number) for number, name in enumerate(NUMBERS, start=1)),
        budget_duration="daily",
        shadow=("budget", "requestsPerDay"),
        estimate="typical",
        budget_raise=Raise(5, 2_000_000_000),
    ),
    team=Shared(2, KeyLimits(tpm_limit=5, rph_limit=9, budget_duration="total", shadow=("requestsPerHour",))),
    generation=4,
    allowed_ips=("192.0.2.0/24", "2001:db8::/32"),
)


class Records:
    def __init__(self, record: KeyRecord | None = None, *, down: bool = False) -> None:
        self.record, self.down, self.reads = record, down, 0
        self.teams: dict[str, TeamRecord] = {}
        self.users: dict[str, UserRecord] = {}

    def get(self, key_id: str) -> KeyRecord | None:
        self.reads += 1
        if self.down:
            raise StoreUnavailable("down")
        return self.record

    def team(self, team_id: str) -> TeamRecord | None:
        return self.teams.get(team_id)

    def user(self, user_id: str) -> UserRecord | None:
        return self.users.get(user_id)


def record(**changes: Any) -> KeyRecord:
    identifier = keys.key_id(KEY)
    assert identifier
    values = {
        "id": identifier,
        "digest": keys.digest(KEY),
        "name": "test",
        "tier": "free",
        "scopes": ("completions",),
        "created": "2026-11-24T00:00:00.000Z",
    }
    return KeyRecord(**values | changes)


def request(context: Mapping[str, Any], **headers: str) -> Request:
    return Request(
        "GET /x", "/x", {name.replace("_", "-"): value for name, value in headers.items()}, b"", context=context
    )


def at_home(context: Mapping[str, Any]) -> Request:
    """A request from an address that CALLER may be used from."""
    return replace(request(context), source="192.0.2.7")


def unverified(header: str = "x-api-key") -> dict[str, str]:
    """The context of a call whose key the authorizer could not look up."""
    return {"unverified": header, "keyId": str(keys.key_id(KEY))}


def checked(records: Records, now: float = 1_000.0) -> Any:
    return lambda: Identity(records, lambda: now)


def test_a_route_may_ask_for_the_record_as_it_is_now() -> None:
    """The authorizer's cached answer says that the key still has the scope."""
    context = Caller(record().id, "free", ("completions", "models"), version=1).to_context()
    asked = request(context)
    assert caller_of(asked, "models", checked(Records(record()))).scopes == ("completions", "models")
    fresh = caller_of(asked, "completions", checked(Records(record(tier="basic"))), fresh=True)
    assert (fresh.tier, fresh.scopes) == ("basic", ("completions",))
    with pytest.raises(Forbidden):
        caller_of(asked, "models", checked(Records(record())), fresh=True)
    with pytest.raises(Unauthorized):
        caller_of(asked, "models", checked(Records(record(state="revoked"))), fresh=True)


@pytest.mark.parametrize("damage", ['{"opus": {"target": "a/b", "a_later_limit": 1}}', '{"opus": 1}', "[", "5"])
def test_a_context_that_another_version_made_lets_nobody_pass(damage: str) -> None:
    with pytest.raises(Unauthorized):
        caller_of(request(CALLER.to_context() | {"modelLimits": damage}), "models", checked(Records()))


def test_the_context_carries_a_caller_whole() -> None:
    assert caller_of(at_home(CALLER.to_context()), "models", checked(Records())) == CALLER
    assert all(isinstance(value, str) for value in CALLER.to_context().values())


def test_an_address_is_judged_by_the_record_where_the_cached_answer_refuses_it() -> None:
    """In a flood, the record is read once a second for each address. A request that the cached answer allows reads
    nothing."""
    records, moment = Records(record(allowed_ips=("198.51.100.0/24",))), [0]
    pace = Pace(lambda _caller: None, asked=Buckets(lambda: moment[0]))
    cached = record(allowed_ips=("192.0.2.0/24",)).caller().to_context()

    def ask(source: str) -> str | None:
        with context.entered(context.Context(source=source)):
            try:
                caller_of(
                    replace(request(cached), source=source),
                    "completions",
                    checked(records),
                    pace=lambda: pace,
                )
            except Forbidden as refused:
                return refused.code
        return None

    assert [ask("192.0.2.7"), ask("::ffff:192.0.2.7"), records.reads] == [None, None, 0]
    assert [ask("198.51.100.1"), records.reads] == [None, 1]
    assert [ask("203.0.113.1") for _ in range(50)] == ["address_not_allowed"] * 50
    assert records.reads == 11
    moment[0] += 1_000_000
    assert [ask("203.0.113.1"), ask("198.51.100.1"), ask(""), ask("nonsense")] == [
        "address_not_allowed",
        None,
        *["address_not_allowed"] * 2,
    ]


def test_a_missing_scope_is_forbidden() -> None:
    with pytest.raises(Forbidden) as refused:
        caller_of(request(CALLER.to_context()), "admin", checked(Records()))
    assert refused.value.code == "insufficient_scope"


@pytest.mark.parametrize("context", [{}, {"keyId": "a"}, CALLER.to_context() | {"keyVersion": "x"}])
def test_no_context_is_unauthorized(context: dict[str, str]) -> None:
    with pytest.raises(Unauthorized):
        caller_of(request(context), "models", checked(Records()))


def test_a_key_that_expired_since_it_was_authorized() -> None:
    with pytest.raises(Unauthorized):
        caller_of(request(CALLER.to_context() | {"expires": "1000"}), "models", checked(Records()))


def test_an_unverified_call_is_checked_here() -> None:
    records = Records(record())
    for header, value in (("x-api-key", KEY), ("authorization", f"Bearer {KEY}")):
        sent = {header.replace("-", "_"): value}
        caller = caller_of(request(unverified(header), **sent), "completions", checked(records))
        assert caller.key_id == keys.key_id(KEY)
    with pytest.raises(StoreUnavailable):
        caller_of(request(unverified(), x_api_key=KEY), "completions", checked(Records(down=True)))


@pytest.mark.parametrize(
    ("context", "headers"),
    [
        ({}, {"authorization": f"Bearer {KEY}"}),  # not the header that the route asks for
        ({"unverified": "authorization"}, {"x_api_key": KEY}),
        ({"unverified": "authorization"}, {"x_api_key": KEY, "authorization": "Basic c2hhcmVk"}),
        ({"unverified": "authorization"}, {"authorization": KEY}),
        ({"unverified": "1"}, {"x_api_key": KEY}),
        ({"unverified": "cookie"}, {"cookie": KEY}),
        ({"keyId": "other"}, {"x_api_key": KEY}),  # not the key
        ({"keyId": ""}, {"x_api_key": KEY}),
        ({}, {"x_api_key": f"{KEY},{KEY}"}),
        ({}, {}),
    ],
)
def test_an_unverified_call_is_checked_by_what_the_authorizer_was_asked_about(
    context: dict[str, str], headers: dict[str, str]
) -> None:
    with pytest.raises(Unauthorized):
        caller_of(request(unverified() | context, **headers), "completions", checked(Records(record())))


@pytest.mark.parametrize(
    "stored",
    [
        None,
        record(state="revoked"),
        record(expires=1_000),
        record(digest=keys.digest(keys.new_key())),
    ],
    ids=["unknown", "revoked", "expired", "other-secret"],
)
def test_an_unverified_call_with_a_bad_key(stored: KeyRecord | None) -> None:
    with pytest.raises(Unauthorized):
        caller_of(request(unverified(), x_api_key=KEY), "completions", checked(Records(stored)))


@pytest.mark.parametrize(
    "sent",
    ["", "sk-", KEY[:-1], KEY[:-1] + ("a" if KEY[-1] != "a" else "b"), KEY + "\n", "é" * 54],
    ids=["empty", "prefix", "short", "checksum", "newline", "not-ascii"],
)
def test_a_malformed_key_is_refused_before_any_read(sent: str) -> None:
    records = Records(record())
    assert Identity(records, lambda: 0.0).verify(sent) is None
    assert records.reads == 0


def test_a_team_limits_its_keys_and_one_that_is_gone_refuses_them() -> None:
    records = Records(record(team_id="blue"))
    assert checked(records)().verify(KEY) is None
    records.teams["blue"] = TeamRecord("blue", "Blue", "2026-11-24T00:00:00.000Z", version=5)
    assert checked(records)().verify(KEY).team is None
    limits = KeyLimits(rpd_limit=1)
    records.teams["blue"] = TeamRecord("blue", "Blue", "2026-11-24T00:00:00.000Z", version=5, limits=limits)
    assert checked(records)().verify(KEY).team == Shared(5, limits)


def test_after_a_rotation_both_secrets_work_until_the_old_one_ends() -> None:
    newer = keys.new_key(keys.key_id(KEY))
    rotated = record(
        digest=keys.digest(newer), generation=2, previous_digest=keys.digest(KEY), previous_until=1_500, expires=9_000
    )
    records = Records(rotated)
    assert keys.key_id(newer) == keys.key_id(KEY)
    assert (checked(records)().verify(newer).generation, checked(records)().verify(newer).expires) == (2, 9_000)
    assert (checked(records)().verify(KEY).generation, checked(records)().verify(KEY).expires) == (1, 1_500)
    assert checked(records, 1_500.0)().verify(KEY) is None
    assert checked(records, 1_500.0)().verify(newer) is not None
    assert checked(Records(record(digest=keys.digest(newer), generation=2)))().verify(KEY) is None


def test_a_caller_is_known_again_only_by_a_context_that_is_the_same_in_all_parts() -> None:
    """One process serves many keys, and each key again after it was changed."""
    first = Caller("a", "free", ("models",), version=1)
    changed = replace(first, version=2, tier="basic", team_id="blue")
    others = [Caller(f"k{number}", "free", ("models",), version=1) for number in range(300)]
    for _ in range(2):
        for caller in (first, changed, *others, first, changed):
            assert Caller.from_context(caller.to_context()) == caller
    known = changed.to_context()
    assert Caller.from_context(known) is Caller.from_context(dict(known))
    known["tier"] = "free"  # the event that was remembered is changed afterwards
    assert Caller.from_context(changed.to_context()).tier == "basic"
