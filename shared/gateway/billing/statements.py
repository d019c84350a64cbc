"""Corrections of the bill, and monthly statements. A correction is an entry with a reason, never an edit."""

from __future__ import annotations

import re
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Protocol

from msgspec import Struct
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from gateway import observability
from gateway.billing.reports import NO_TEAM, Text, asked_for, check_parameters, grouped
from gateway.billing.tables import dollars, table
from gateway.config.reasons import pattern, validated
from gateway.dynamodb import cursors
from gateway.errors import BadRequest, ConditionFailed, Conflict, Forbidden, NotFound
from gateway.identity.caller import Caller
from gateway.identity.store import KeyRecord, TeamRecord
from gateway.keys.limit_fields import Label
from gateway.models.money import micro, usd
from gateway.times import rfc3339

_MONTH = re.compile(r"20\d\d-(0[1-9]|1[0-2])", re.ASCII)
_FINAL_AFTER = timedelta(days=2)  # a stream delivers its records within a day
_KEY_ID = pattern(r"^[0-9A-Za-z]{12}$", "must be the id of a key: its 12 letters and digits after sk-")
_CORRECTION_ID = pattern(
    r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", "must be letters, digits and . _ -, a letter or digit first, at most 64"
)
Day = date  # a field named `date` hides the type


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be a number")
    return value


class NewCorrection(BaseModel):
    """An entry that corrects the bill of a key.

    Example: `{"key": "AbCdEf123456", "amount": -1.25, "reason": "outage on 24 November"}`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: Annotated[str, Field(pattern=_KEY_ID)]
    amount: Annotated[
        Decimal, Field(ge=-1_000_000, le=1_000_000, decimal_places=6, allow_inf_nan=False), BeforeValidator(_number)
    ]
    reason: Annotated[str, Field(min_length=1, max_length=500)]
    id: Annotated[str, Field(pattern=_CORRECTION_ID)] | None = None
    date: Annotated[Day, Field(ge=Day(2020, 1, 1))] | None = None
    request_id: Label | None = None


class Keys(Protocol):
    def get(self, key_id: str) -> KeyRecord | None: ...
    def team(self, team_id: str) -> TeamRecord | None: ...


class Rows(Protocol):
    def correct(self, row: Mapping[str, Any]) -> None: ...
    def corrections(self, month: str, after: str = "") -> Iterator[dict[str, Any]]: ...


class Days(Protocol):
    def between(self, first: str, last: str, key: str = "") -> Iterator[dict[str, Any]]: ...


class Billing(Struct, frozen=True):
    """`now` gives seconds since the epoch."""

    rows: Rows
    usage: Days
    keys: Keys
    now: Callable[[], float] = time.time

    def correct(self, body: Mapping[str, Any], by: Caller) -> tuple[dict[str, Any], bool]:
        """Book a correction. Returns the entry, and whether it is new. What is left of a budget does not change.

        Raises BadRequest, NotFound (the key), Forbidden, Conflict (the id is taken, or the month is final).
        """
        wanted = validated(NewCorrection, body)
        if wanted.amount == 0:
            raise BadRequest("amount: must not be 0", param="amount")
        record = self.keys.get(wanted.key)
        if record is None:
            raise NotFound("There is no such key.", param="key")
        if by.team_id and record.team_id != by.team_id:
            raise Forbidden("A team's key can correct only its own team's bill.", param="key")
        today = datetime.fromtimestamp(self.now(), UTC).date()
        day = wanted.date or today
        if day > today:
            raise BadRequest("date: is in the future", param="date")
        if self._final(f"{day:%Y-%m}"):
            raise Conflict(
                "That month's statements are final: book it on a later day.", code="month_is_final", param="date"
            )
        content = {
            "key": wanted.key,
            "actual": micro(wanted.amount),
            "reason": wanted.reason,
            "request_id": wanted.request_id or "",
        } | ({"day": day.isoformat()} if wanted.date else {})
        row = content | {
            "rid": f"cor_{wanted.id or uuid.uuid4().hex}",
            "day": day.isoformat(),
            "team": record.team_id,
            "by": by.key_id,
            "created": int(self.now() * 1_000_000),
        }
        try:
            self.rows.correct(row)
        except ConditionFailed as taken:
            there = taken.item or {}
            if any(there.get(name) != value for name, value in content.items()):
                raise Conflict(
                    "Another correction already has this id.", code="correction_exists", param="id"
                ) from None
            return _shown(there), False
        observability.log.info("correction", extra={"rid": row["rid"], "by": by.key_id, "amount": content["actual"]})
        return _shown(row), True

    def corrections(self, query: Mapping[str, str], limit: int) -> dict[str, Any]:
        """A month's corrections, sorted by id, of one team or key if the query names one. Raises BadRequest."""
        check_parameters(query, {"month", "team", "key", "limit", "cursor"})
        month = self._month(query)
        listing = f"corrections:{month}"
        after = cursors.decode(query["cursor"], {"after": str}, listing)["after"] if "cursor" in query else ""
        page: list[dict[str, Any]] = []
        for row in self.rows.corrections(month, after):
            if asked_for(row, query):
                if len(page) == limit:
                    following = cursors.encode({"after": page[-1]["id"]}, listing)
                    return {"object": "list", "data": page, "next_cursor": following}
                page.append(_shown(row))
        return {"object": "list", "data": page, "next_cursor": None}

    def statement(self, team: str, query: Mapping[str, str]) -> dict[str, Any]:
        """The amount that a team has to pay for a month: its usage by key and model, and its corrections. `-` means
        keys without a team."""
        check_parameters(query, {"month", "format"})
        month = self._month(query)
        of = "" if team == NO_TEAM else team
        first = date.fromisoformat(f"{month}-01")
        following = (first + timedelta(days=32)).replace(day=1)
        now = datetime.fromtimestamp(self.now(), UTC)
        last = min(following - timedelta(days=1), now.date())
        by_key: dict[str, list[dict[str, Any]]] = {}
        for item in self.usage.between(first.isoformat(), last.isoformat()):
            if item.get("team", "") == of:
                by_key.setdefault(item["key"], []).append(item)
        lines = [
            {"key": key, "model": model} | _figures(cells)
            for key, items in sorted(by_key.items())
            for model, cells in sorted(grouped(items, "model").items())
        ]
        corrections = [_shown(row) for row in self.rows.corrections(month) if row.get("team", "") == of]
        if of and not lines and not corrections and self.keys.team(of) is None:
            raise NotFound("There is no such team. GET /api/v1/admin/teams lists the teams.", param="id")
        cost = sum(line["cost_micro_usd"] for line in lines)
        corrected = sum(entry["amount_micro_usd"] for entry in corrections)
        return {
            "object": "statement",
            "team": team,
            "month": month,
            "final": self._final(month),
            "currency": "USD",
            "lines": lines,
            "corrections": corrections,
            "usage": usd(cost),
            "usage_micro_usd": cost,
            "corrected": usd(corrected),
            "corrected_micro_usd": corrected,
            "total": usd(cost + corrected),
            "total_micro_usd": cost + corrected,
        }

    def statement_csv(self, team: str, query: Mapping[str, str]) -> Text:
        """The statement as CSV: usage, then corrections, then the total."""
        statement = self.statement(team, query)
        columns = ["kind", "key", "model", "requests", "input_tokens", "output_tokens", "reason", "usd", "micro_usd"]
        rows: list[dict[str, Any]] = [
            {"kind": "usage", "usd": dollars(line["cost_micro_usd"]), "micro_usd": line["cost_micro_usd"], **line}
            for line in statement["lines"]
        ]
        rows += [
            {
                "kind": "correction",
                "key": entry["key"],
                "reason": entry["reason"],
                "usd": dollars(entry["amount_micro_usd"]),
                "micro_usd": entry["amount_micro_usd"],
            }
            for entry in statement["corrections"]
        ]
        total = statement["total_micro_usd"]
        return Text(table(columns, [*rows, {"kind": "total", "usd": dollars(total), "micro_usd": total}]))

    def _final(self, month: str) -> bool:
        return is_final(month, self.now())

    def _month(self, query: Mapping[str, str]) -> str:
        month = query.get("month", f"{datetime.fromtimestamp(self.now(), UTC):%Y-%m}")
        if not _MONTH.fullmatch(month):
            raise BadRequest("month: must be a month such as 2026-11", param="month")
        return month


def is_final(month: str, now: float) -> bool:
    """Whether a month's statements no longer change by themselves; `now` is in seconds since the epoch."""
    following = (datetime.fromisoformat(f"{month}-01").replace(tzinfo=UTC) + timedelta(days=32)).replace(day=1)
    return now >= (following + _FINAL_AFTER).timestamp()


def _figures(cells: Counter[str]) -> dict[str, Any]:
    return {
        "requests": cells["n"],
        "input_tokens": cells["in"],
        "output_tokens": cells["out"],
        "cost": usd(cells["cost"]),
        "cost_micro_usd": cells["cost"],
    }


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": row["rid"],
        "key": row["key"],
        "team": row.get("team") or NO_TEAM,
        "date": row["day"],
        "amount": usd(row["actual"]),
        "amount_micro_usd": row["actual"],
        "reason": row["reason"],
        "request_id": row.get("request_id") or None,
        "by": row["by"],
        "created": rfc3339(row["created"] / 1_000_000),
    }
