"""API keys, teams and users as they are stored, and the substitute for a record that can't be read whole.

This module does not use pydantic, because the authorizer loads it at start-up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from msgspec import Struct, field

from gateway import observability
from gateway.identity import key_text as keys
from gateway.identity.account_ids import team_item, user_item
from gateway.identity.addresses import canonical
from gateway.identity.caller import (
    SCOPES,
    TIERS,
    YEAR_10000,
    Caller,
    KeyLimits,
    ModelLimits,
    Shared,
    can_hold,
    read_limits,
    read_model_limits,
    stored_limits,
    stored_model_limits,
)
from gateway.models.geographies import RESIDENCIES

ACTIVE, REVOKED = "active", "revoked"
DAMAGED = "damaged"  # a record that can't be read whole: it admits no call, and full admins can end it
_RULES = ("", *RESIDENCIES)
KEY, TEAM, USER = "key", "team", "user"  # kinds of records


S = TypeVar("S", "TeamRecord", "UserRecord")


class KeyRecord(Struct, frozen=True):
    """One key as stored. `digest` is the SHA-256 in hex; the key itself is not stored anywhere.

    `created` is RFC 3339 in UTC; `expires` is in seconds since the epoch, 0 for never. `version` grows with every
    change, `generation` with every rotation; the previous secret works until `previous_until`. `residency` is the
    geography that its calls are bound to, empty for none. `allowed_ips` are the networks that it may be used from,
    empty for any.
    """

    id: str
    digest: str
    name: str
    tier: str
    scopes: tuple[str, ...]
    created: str
    state: str = ACTIVE
    version: int = 1
    models: tuple[str, ...] = ()
    team_id: str = ""
    user_id: str = ""
    expires: int = 0
    limits: KeyLimits = field(default_factory=KeyLimits)
    metadata: Mapping[str, str] = field(default_factory=dict)
    generation: int = 1
    previous_digest: str = ""
    previous_until: int = 0
    model_limits: tuple[ModelLimits, ...] = ()
    residency: str = ""
    allowed_ips: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Without the digests."""
        return f"KeyRecord(id={self.id!r}, name={self.name!r}, tier={self.tier!r}, state={self.state!r})"

    def generation_of(self, key: str) -> int | None:
        """Which of the record's secrets a key has; None if it has neither."""
        if keys.matches(key, self.digest):
            return self.generation
        return self.generation - 1 if keys.matches(key, self.previous_digest) else None

    def usable(self, generation: int, now: float) -> bool:
        """Whether the key may be used with the secret of this generation; `now` in seconds since the epoch."""
        fresh = generation == self.generation
        return self.active(now) and (fresh or (generation == self.generation - 1 and now < self.previous_until))

    def active(self, now: float) -> bool:
        """Whether the key may be used; `now` in seconds since the epoch."""
        return self.state == ACTIVE and (self.expires == 0 or now < self.expires)

    def caller(
        self, team: TeamRecord | None = None, generation: int | None = None, user: UserRecord | None = None
    ) -> Caller:
        """The caller that uses the secret of a generation (by default the newest). `team` and `user` are the key's, if
        it has them."""
        old = generation is not None and generation < self.generation
        ends = [moment for moment in (self.expires, self.previous_until if old else 0) if moment]
        return Caller(
            key_id=self.id,
            tier=self.tier,
            scopes=self.scopes,
            version=self.version,
            models=self.models,
            team_id=self.team_id,
            expires=min(ends, default=0),
            limits=self.limits,
            team=team.terms() if team else None,
            generation=self.generation if generation is None else generation,
            user_id=self.user_id,
            user=user.terms() if user else None,
            model_limits=self.model_limits,
            residency=self.residency,
            team_residency=team.residency if team else "",
            allowed_ips=self.allowed_ips,
            may_store=team is not None and team.may_store,
        )


class SharedRecord(Struct, frozen=True):
    """What limits several keys together. `version` grows with every change."""

    id: str
    name: str
    created: str
    state: str = ACTIVE
    version: int = 1
    limits: KeyLimits = field(default_factory=KeyLimits)
    metadata: Mapping[str, str] = field(default_factory=dict)

    def terms(self) -> Shared | None:
        """The terms; None if nothing is limited, so that the keys' calls cost no further write."""
        return Shared(self.version, self.limits) if self.limits.limited else None


class TeamRecord(SharedRecord, frozen=True):
    """A team of keys. `residency` binds the calls of each of them. `may_store`: a provider may store a call's request
    and answer if the call asks for that."""

    residency: str = ""
    may_store: bool = False


class UserRecord(SharedRecord, frozen=True):
    """A person, whichever teams their keys are in. There is a record only if somebody set limits."""


def key_item(record: KeyRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "kind": KEY,
        "digest": record.digest,
        "name": record.name,
        "tier": record.tier,
        "scopes": list(record.scopes),
        "created": record.created,
        "state": record.state,
        "version": record.version,
        "models": list(record.models),
        "expires": record.expires,
        "limits": stored_limits(record.limits),
        "metadata": dict(record.metadata),
        "generation": record.generation,
        "previous_digest": record.previous_digest,
        "previous_until": record.previous_until,
        "model_limits": stored_model_limits(record.model_limits),
        "residency": record.residency,
        "allowed_ips": list(record.allowed_ips),
    } | {  # an index key must not be empty
        name: value for name, value in (("team_id", record.team_id), ("user_id", record.user_id)) if value
    }


def key_record(item: Mapping[str, Any]) -> KeyRecord:
    """A record as stored. One that isn't whole is returned as damaged, so that it hides no other record of a list."""
    try:
        record = KeyRecord(
            id=item["id"],
            digest=item["digest"],
            name=item["name"],
            tier=item["tier"],
            scopes=tuple(item["scopes"]),
            created=item["created"],
            state=item["state"],
            version=item["version"],
            models=tuple(item.get("models", ())),
            team_id=item.get("team_id", ""),
            user_id=item.get("user_id", ""),
            expires=item.get("expires", 0),
            limits=read_limits(item.get("limits", {})),
            metadata=dict(item.get("metadata", {})),
            generation=item.get("generation", 1),
            previous_digest=item.get("previous_digest", ""),
            previous_until=item.get("previous_until", 0),
            model_limits=read_model_limits(item.get("model_limits", {})),
            residency=item.get("residency", ""),
            allowed_ips=tuple(item.get("allowed_ips", ())),
        )
        if record.tier in TIERS and set(record.scopes) <= set(SCOPES) and _typed(record):
            return record
    except (KeyError, TypeError, ValueError, AttributeError):
        pass
    observability.log.error("a stored key can't be read", extra={"damaged_key": item.get("id")})
    # Nobody knows what the key had, so this has as much as a key can have.
    return KeyRecord(
        id=str(item.get("id")),
        digest="",
        name="",
        tier=TIERS[-1],
        scopes=SCOPES,
        created=str(item.get("created", "")),
        state=REVOKED if item.get("state") == REVOKED else DAMAGED,
        version=_version(item),
    )


def _typed(record: KeyRecord | TeamRecord | UserRecord) -> bool:
    """Whether each field has its type, each limit can take effect, and each moment is one that a calendar has."""
    texts = [record.id, record.name, record.created, *record.metadata, *record.metadata.values()]
    numbers: list[Any] = [record.version]
    limits = [record.limits]
    moments: list[Any] = []
    if isinstance(record, KeyRecord):
        texts += [record.digest, record.team_id, record.user_id, record.previous_digest, *record.models]
        texts += map(canonical, record.allowed_ips)
        texts += [text for each in record.model_limits for text in (each.name, each.target)]
        limits += [each.limits for each in record.model_limits]
        numbers.append(record.generation)
        moments = [record.expires, record.previous_until]
    return (
        all(isinstance(text, str) for text in texts)
        and record.state in (ACTIVE, REVOKED)
        and all(type(number) is int for number in [*numbers, *moments])
        and all(map(can_hold, limits))
        and all(0 <= moment < YEAR_10000 for moment in moments)
        and (isinstance(record, UserRecord) or record.residency in _RULES)
        and (not isinstance(record, TeamRecord) or isinstance(record.may_store, bool))
    )


def _version(item: Mapping[str, Any]) -> int:
    version = item.get("version")
    return version if type(version) is int else 0


def team_record_item(record: TeamRecord) -> dict[str, Any]:
    own = {"id": team_item(record.id), "kind": TEAM, "team": record.id}
    return own | {"residency": record.residency, "may_store": record.may_store} | _shared_fields(record)


def user_record_item(record: UserRecord) -> dict[str, Any]:
    return {"id": user_item(record.id), "kind": USER, "user": record.id, **_shared_fields(record)}


def team_record(item: Mapping[str, Any]) -> TeamRecord:
    """Like `key_record`."""
    own: dict[str, Any] = {"residency": item.get("residency", ""), "may_store": item.get("may_store", False)}
    return _shared_record(lambda **fields: TeamRecord(**fields, **own), TEAM, item)


def user_record(item: Mapping[str, Any]) -> UserRecord:
    """Like `key_record`."""
    return _shared_record(UserRecord, USER, item)


def _shared_fields(record: SharedRecord) -> dict[str, Any]:
    return {
        "name": record.name,
        "created": record.created,
        "state": record.state,
        "version": record.version,
        "limits": stored_limits(record.limits),
        "metadata": dict(record.metadata),
    }


def _shared_record(form: Callable[..., S], kind: str, item: Mapping[str, Any]) -> S:
    try:
        record = form(
            id=item[kind],
            name=item["name"],
            created=item["created"],
            state=item["state"],
            version=item["version"],
            limits=read_limits(item.get("limits", {})),
            metadata=dict(item.get("metadata", {})),
        )
        if _typed(record):
            return record
    except (KeyError, TypeError, ValueError, AttributeError):
        pass
    observability.log.error("a stored %s can't be read", kind, extra={f"damaged_{kind}": item.get("id")})
    identifier = str(item.get("id")).removeprefix(f"{kind}#")
    return form(id=identifier, name="", created=str(item.get("created", "")), state=DAMAGED, version=_version(item))
