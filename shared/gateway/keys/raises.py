"""Raising a budget for a while: the fields that an admin sends, the check, and the log line."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from gateway import observability
from gateway.config.document import Dollars
from gateway.errors import BadRequest
from gateway.identity.caller import Caller, KeyLimits, Raise
from gateway.models.money import micro, usd
from gateway.times import rfc3339

_EARLIEST, _LATEST = datetime(2020, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


def _in_utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("must carry a time zone, for example 2027-01-31T00:00:00Z")
    if not _EARLIEST <= moment < _LATEST:
        raise ValueError(f"must be between {_EARLIEST.year} and {_LATEST.year}")
    return moment


Moment = Annotated[datetime, AfterValidator(_in_utc)]


class BudgetRaise(BaseModel):
    """A higher budget for a limited time. Example: `{"amount": 20, "until": "2027-01-31T00:00:00Z"}`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    amount: Annotated[Dollars, Field(gt=0)]
    until: Moment

    def raised(self) -> Raise:
        """The raise in the ledger's units."""
        return Raise(micro(self.amount), int(self.until.timestamp()))


def shown_raise(raised: Raise | None) -> dict[str, object] | None:
    """A raise in the form in which an admin sets and sees it. It stays after its end until it is removed."""
    return None if raised is None else {"amount": usd(raised.by), "until": rfc3339(raised.until)}


def check_raise(before: KeyLimits | None, after: KeyLimits, now: float) -> None:
    """Raises BadRequest if a raise is new and already over. `now` is in seconds since the epoch."""
    raised = after.budget_raise
    if raised is not None and raised.until <= now and (before is None or raised != before.budget_raise):
        raise BadRequest("budget_raise.until: is in the past", param="budget_raise.until")


def log_raise(scope: str, identifier: str, before: KeyLimits | None, after: KeyLimits, by: Caller) -> None:
    """Logs who raised whose budget, by how much and until when. Logs nothing if that did not change."""
    earlier, raised = before.budget_raise if before else None, after.budget_raise
    if raised == earlier:
        return
    facts: dict[str, object] = {"scope": scope, "id": identifier, "by": by.key_id}
    if raised is None:
        observability.log.info("budget raise taken away", extra=facts)
    else:
        facts |= {"amount_usd": usd(raised.by), "until": rfc3339(raised.until)}
        observability.log.info("budget raised", extra=facts)
