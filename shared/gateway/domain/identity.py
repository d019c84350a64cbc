"""Who is calling: what the authorizer found out and hands on, as flat strings that every door can carry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SCOPES = ("completions", "models", "catalogue", "mcp", "admin")
TIERS = ("free", "basic", "premium", "enterprise")


@dataclass(frozen=True, slots=True)
class KeyLimits:
    """What one key overrides of its tier; None means the tier's value (for a budget: none).

    `max_budget` is in micro-dollars; `budget_duration` is daily, weekly, monthly or total (UTC windows).
    """

    rpm_limit: int | None = None
    tpm_limit: int | None = None
    max_parallel_requests: int | None = None
    max_budget: int | None = None
    budget_duration: str = "monthly"


@dataclass(frozen=True, slots=True)
class Caller:
    """A key as a paid call sees it.

    `version` is the key record's: the limits item carries it too, so a change of the key holds at the next paid
    call although this object may come from an authorizer's answer that is a minute old. Empty `models` means any.
    `team_id` is empty where there is no team. `expires` is in seconds since the epoch, 0 for never.
    """

    key_id: str
    tier: str
    scopes: tuple[str, ...]
    version: int
    models: tuple[str, ...] = ()
    team_id: str = ""
    expires: int = 0
    limits: KeyLimits = field(default_factory=KeyLimits)

    def may(self, scope: str) -> bool:
        return scope in self.scopes

    def to_context(self) -> dict[str, str]:
        """The authorizer's context: strings only, since an IAM-policy answer takes nothing nested."""
        limits = self.limits
        numbers = {
            "rpmLimit": limits.rpm_limit,
            "tpmLimit": limits.tpm_limit,
            "maxParallelRequests": limits.max_parallel_requests,
            "maxBudget": limits.max_budget,
        }
        return {
            "keyId": self.key_id,
            "tier": self.tier,
            "scopes": " ".join(self.scopes),
            "keyVersion": str(self.version),
            "models": " ".join(self.models),
            "teamId": self.team_id,
            "expires": str(self.expires),
            "budgetDuration": limits.budget_duration,
        } | {name: "" if value is None else str(value) for name, value in numbers.items()}

    @classmethod
    def from_context(cls, context: Mapping[str, Any]) -> Caller:
        """The inverse. Raises KeyError or ValueError on anything that `to_context` can't have made."""
        text = {name: str(value) for name, value in context.items()}

        def number(name: str) -> int | None:
            return int(text[name]) if text.get(name) else None

        return cls(
            key_id=text["keyId"],
            tier=text["tier"],
            scopes=tuple(text["scopes"].split()),
            version=int(text["keyVersion"]),
            models=tuple(text.get("models", "").split()),
            team_id=text.get("teamId", ""),
            expires=int(text.get("expires") or 0),
            limits=KeyLimits(
                rpm_limit=number("rpmLimit"),
                tpm_limit=number("tpmLimit"),
                max_parallel_requests=number("maxParallelRequests"),
                max_budget=number("maxBudget"),
                budget_duration=text.get("budgetDuration") or "monthly",
            ),
        )
