"""The data that health shows, in one partition of `state`: breakers, and the consumer's last facts of providers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from gateway.breakers.breaker import Breaker
from gateway.breakers.items import PARTITION, breaker_item
from gateway.dynamodb.attributes import to_item

if TYPE_CHECKING:  # the liveness route must not load TLS
    from gateway.dynamodb.client import Database

OBSERVED = "observed"


class HealthFacts(Struct, frozen=True):
    """`observed` is the consumer's item: coarse counters, and each provider's latency and time of its last call."""

    breakers: tuple[Breaker, ...] = ()
    observed: Mapping[str, Any] = field(default_factory=dict)


class HealthStore:
    def __init__(self, database: Database, table: str) -> None:
        self._database = database
        self._table = table

    def facts(self) -> HealthFacts:
        """Read all with one eventually consistent Query, usually of one page. Raises StoreUnavailable."""
        from gateway.dynamodb.client import pages

        request = {
            "TableName": self._table,
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": to_item({":pk": PARTITION}),
        }
        items = list(pages(self._database, request, attempts=1))
        breakers = tuple(breaker for item in items if (breaker := breaker_item(item)))
        observed = next((item for item in items if item["sk"] == OBSERVED), {})
        return HealthFacts(breakers, observed)

    def observe(self, facts: Mapping[str, int], totals: Mapping[str, int]) -> None:
        """Store what the consumer saw: `facts` replace, `totals` add up. After a lost reply, totals count twice."""
        names = {f"#f{n}": name for n, name in enumerate(facts)} | {f"#t{n}": name for n, name in enumerate(totals)}
        values = {f":f{n}": value for n, value in enumerate(facts.values())}
        values |= {f":t{n}": value for n, value in enumerate(totals.values())}
        sets = ", ".join(f"#f{n} = :f{n}" for n in range(len(facts)))
        adds = ", ".join(f"#t{n} :t{n}" for n in range(len(totals)))
        request = {
            "TableName": self._table,
            "Key": to_item({"pk": PARTITION, "sk": OBSERVED}),
            "UpdateExpression": (f"SET {sets} " if sets else "") + f"ADD {adds}",
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": to_item(values),
        }
        self._database.call("UpdateItem", request)
