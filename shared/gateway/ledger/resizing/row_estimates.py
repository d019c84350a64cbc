"""Changes to the amount that a row of `request-analytics` holds, while its call is under way, and what its end adds."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from gateway.dynamodb.attributes import AttributeValue, from_item, to_item
from gateway.dynamodb.client import Database
from gateway.errors import ConditionFailed
from gateway.models.usage import Usage

_OPEN, EXPIRED = "OPEN", "EXPIRED"
_ZERO: AttributeValue = {"N": "0"}  # shared, and never changed: most counts of a call are 0


@lru_cache(maxsize=64)
def ending(fields: tuple[str, ...]) -> tuple[str, Mapping[str, str], tuple[str, ...]]:
    """The update of a row that ends with these fields: its SET expressions, the names, and the placeholders of the
    fields' values; `:state` is the placeholder of the row's state."""
    names = {"#state": "state"} | {f"#f{number}": name for number, name in enumerate(fields)}
    sets = ["#state = :state", *(f"#f{number} = :f{number}" for number in range(len(fields)))]
    return ", ".join(sets), names, tuple(f":f{number}" for number in range(len(fields)))


class RowEstimates:
    def __init__(self, database: Database, table: str) -> None:
        self._database = database
        self._table = table

    def set_est(self, minute: str, rid: str, before: int, after: int) -> None:
        """Let an open row hold `after` micro-dollars instead of `before`. Repeating it is safe. Raises ConditionFailed,
        with the current row, if it is no longer open or holds neither amount."""
        request = {
            "TableName": self._table,
            "Key": to_item({"minute": minute, "rid": rid}),
            "UpdateExpression": "SET est = :after",
            "ConditionExpression": "#state = :open AND est IN (:before, :after)",
            "ExpressionAttributeNames": {"#state": "state"},
            "ExpressionAttributeValues": to_item({":open": _OPEN, ":before": before, ":after": after}),
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        self._database.call("UpdateItem", request, attempts=2)

    def expire(self, minute: str, rid: str, facts: Mapping[str, Any]) -> dict[str, Any] | None:
        """End an open row with these facts, which are attribute values. Its cost is what it holds at that moment, which
        may have changed since it was read. Returns the row after the update; None if it was closed before."""
        sets, names, marks = ending(tuple(facts))
        ended = {":open": {"S": _OPEN}, ":state": {"S": EXPIRED}}
        request = {
            "TableName": self._table,
            "Key": to_item({"minute": minute, "rid": rid}),
            "UpdateExpression": f"SET {sets}, actual = est, prompt_cost = est",
            "ConditionExpression": "#state = :open",
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": dict(zip(marks, facts.values(), strict=True)) | ended,
            "ReturnValues": "ALL_NEW",
        }
        try:
            return from_item(self._database.call("UpdateItem", request)["Attributes"])
        except ConditionFailed:
            return None


def settled_facts(
    usage: Usage | None, prompt_cost: int, completion_cost: int, status: str, latency_ms: int, now: int
) -> dict[str, AttributeValue]:
    """What settling adds to a row, as attribute values; costs in micro-dollars, `now` in microseconds."""
    facts: dict[str, AttributeValue] = {
        "actual": {"N": str(prompt_cost + completion_cost)},
        "prompt_cost": {"N": str(prompt_cost)},
        "completion_cost": {"N": str(completion_cost)},
        "status": {"S": status},
        "latency_ms": {"N": str(latency_ms)},
        "settled": {"N": str(now)},
    }
    if usage is not None:
        cached, written, written_1h = usage.cached_tokens, usage.cache_write_tokens, usage.cache_write_1h_tokens
        reasoning = usage.reasoning_tokens
        facts["input_tokens"] = {"N": str(usage.input_tokens)}
        facts["cached_tokens"] = {"N": str(cached)} if cached else _ZERO
        facts["cache_write_tokens"] = {"N": str(written)} if written else _ZERO
        facts["cache_write_1h_tokens"] = {"N": str(written_1h)} if written_1h else _ZERO
        facts["output_tokens"] = {"N": str(usage.output_tokens)}
        facts["reasoning_tokens"] = {"N": str(reasoning)} if reasoning else _ZERO
        facts["usage_source"] = {"S": usage.source}
    return facts
