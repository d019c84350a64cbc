"""The fields of limits as admins set and see them. Names are LiteLLM's if those exist."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from gateway.config.document import Duration, LimitName, number_field, with_fields
from gateway.config.reasons import pattern
from gateway.errors import BadRequest
from gateway.identity.caller import KeyLimits
from gateway.keys.raises import BudgetRaise, shown_raise
from gateway.limits import LIMITS, NUMBERS
from gateway.models.money import micro, usd

LINE = pattern(r"^[^\x00-\x1f\x7f]+$", "must be one line, without control characters, and not empty")
Label = Annotated[str, Field(min_length=1, max_length=128, pattern=LINE)]
Metadata = Annotated[dict[Label, Annotated[str, Field(max_length=256)]], Field(max_length=16)]


def _fields() -> dict[str, Any]:
    made: dict[str, Any] = {}
    for each in LIMITS:
        made[each.key_field] = number_field(each)
        if each.burst:
            made[each.burst[1]] = number_field(each)
    return made


@with_fields(_fields())
class LimitFields(BaseModel):
    """The limits that a key, a team, a user, or a key on one model may have: a number for each of the table of limits
    (`gateway.limits.LIMITS`). `max_budget` is in US dollars, and so is what `budget_raise` adds to it for a while."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    budget_duration: Duration = "monthly"
    shadow: Annotated[tuple[LimitName, ...], Field(max_length=10)] = ()
    estimate: Literal["bound", "typical"] = "bound"
    budget_raise: BudgetRaise | None = None

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...

    def limits(self) -> KeyLimits:
        """The limits in the ledger's units."""
        numbers = {name: getattr(self, name) for name in NUMBERS}
        if self.max_budget is not None:
            numbers["max_budget"] = micro(self.max_budget)
        return KeyLimits(
            **numbers,
            budget_duration=self.budget_duration,
            shadow=tuple(sorted(set(self.shadow))),
            estimate=self.estimate,
            budget_raise=self.budget_raise.raised() if self.budget_raise else None,
        )


class WithoutTier(LimitFields):
    """Limits on something that has no tier: a team, a user, or a key's use of one model. `burst_limit` needs
    `rpm_limit`."""

    @field_validator("burst_limit")
    @classmethod
    def _of_a_minute(cls, burst: int | None, others: ValidationInfo) -> int | None:
        if burst is not None and others.data.get("rpm_limit") is None:
            raise ValueError("needs rpm_limit, which is not set")
        return burst

    def limits(self) -> KeyLimits:
        if self.budget_raise is not None and self.max_budget is None:
            raise BadRequest("budget_raise: raises max_budget, which is not set", param="budget_raise")
        return super().limits()


def shown_limits(limits: KeyLimits) -> dict[str, Any]:
    """Limits as an admin sees them; the budget in US dollars."""
    shown: dict[str, Any] = {name: getattr(limits, name) for name in NUMBERS} | {"shadow": list(limits.shadow)}
    shown |= {"estimate": limits.estimate, "budget_raise": shown_raise(limits.budget_raise)}
    if limits.max_budget is None:
        return shown | {"budget_duration": None}
    return shown | {"max_budget": usd(limits.max_budget), "budget_duration": limits.budget_duration}


def settable_limits(limits: KeyLimits) -> dict[str, Any]:
    """Limits in the form in which a request body could have set them; unset values are left out."""
    given = shown_limits(limits) | {"budget_duration": limits.budget_duration}
    return {name: value for name, value in given.items() if value is not None}
