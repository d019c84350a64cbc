"""Claims of Idempotency-Keys in the table `state`. A claim is `running`, then `kept` with the answer, or `too_large`. A
stream's claim is `streaming`, then `streamed`, with its request's id.

A repeat is a refused write, whose price depends on the size of the item that refuses it. So an answer of more than 2 KB
is stored in a separate item, which a repeat reads.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from gateway.dynamodb.attributes import from_item, to_item
from gateway.dynamodb.client import Database
from gateway.errors import ConditionFailed

_SORT = "claim"
_MOST_BESIDE = 2_048  # bytes of an answer that is stored in its claim


class ClaimStore:
    def __init__(self, database: Database, table: str) -> None:
        self._database = database
        self._table = table

    def claim(self, claim: str, owner: str, body: str, now: int, deadline: int, ttl: int) -> dict[str, Any] | None:
        """Claim a key. Returns None, or the item that has already claimed it. Times are seconds since the epoch.

        A claim may be taken over after its time to live, and a running one after its deadline.
        """
        item = {
            "pk": _partition(claim),
            "sk": _SORT,
            "state": "running",
            "owner": owner,
            "body": body,
            "deadline": deadline,
            "ttl": ttl,
        }
        request = {
            "TableName": self._table,
            "Item": to_item(item),
            "ConditionExpression": (
                "attribute_not_exists(pk) OR #ttl < :now OR (#state = :running AND #deadline < :now)"
            ),
            "ExpressionAttributeNames": {"#ttl": "ttl", "#state": "state", "#deadline": "deadline"},
            "ExpressionAttributeValues": to_item({":now": now, ":running": "running"}),
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        try:
            self._database.call("PutItem", request, attempts=2)
        except ConditionFailed as refused:
            return refused.item
        return None

    def keep(self, claim: str, owner: str, answer: str | None, ttl: int) -> None:
        """Keep an answer (None: it was too large). Raises ConditionFailed if the claim now belongs to another."""
        beside = answer if answer is None or len(answer) <= _MOST_BESIDE else ""
        if answer and not beside:
            own = {"pk": _partition(claim), "sk": _answer(owner), "answer": answer, "ttl": ttl}
            self._database.call("PutItem", {"TableName": self._table, "Item": to_item(own)}, attempts=2)
        request = {
            "TableName": self._table,
            "Key": to_item({"pk": _partition(claim), "sk": _SORT}),
            "UpdateExpression": "SET #state = :state, answer = :answer",
            "ConditionExpression": "#owner = :owner",
            "ExpressionAttributeNames": {"#state": "state", "#owner": "owner"},
            "ExpressionAttributeValues": to_item(
                {":state": "too_large" if answer is None else "kept", ":answer": beside or "", ":owner": owner}
            ),
        }
        self._database.call("UpdateItem", request, attempts=2)

    def answer(self, claim: str, owner: str) -> str | None:
        """An answer from its separate item; None if that is not there."""
        key = {"pk": _partition(claim), "sk": _answer(owner)}
        request = {"TableName": self._table, "Key": to_item(key), "ConsistentRead": True}
        item = self._database.call("GetItem", request, attempts=2).get("Item")
        return str(from_item(item)["answer"]) if item else None

    def stream(self, claim: str, owner: str, rid: str, *, ended: bool) -> None:
        """Record that a stream is under way or has ended: then nobody takes the claim over. Raises ConditionFailed if
        the claim now belongs to another."""
        request = {
            "TableName": self._table,
            "Key": to_item({"pk": _partition(claim), "sk": _SORT}),
            "UpdateExpression": "SET #state = :state, #request = :request",
            "ConditionExpression": "#owner = :owner",
            "ExpressionAttributeNames": {"#state": "state", "#owner": "owner", "#request": "request"},
            "ExpressionAttributeValues": to_item(
                {":state": "streamed" if ended else "streaming", ":request": rid, ":owner": owner}
            ),
        }
        self._database.call("UpdateItem", request, attempts=2)

    def drop(self, claim: str, owner: str) -> None:
        """Give a claim back, unless it now belongs to another."""
        request = {
            "TableName": self._table,
            "Key": to_item({"pk": _partition(claim), "sk": _SORT}),
            "ConditionExpression": "#owner = :owner",
            "ExpressionAttributeNames": {"#owner": "owner"},
            "ExpressionAttributeValues": to_item({":owner": owner}),
        }
        with suppress(ConditionFailed):
            self._database.call("DeleteItem", request, attempts=2)


def _partition(claim: str) -> str:
    return f"idempotency#{claim}"


def _answer(owner: str) -> str:
    return f"answer#{owner}"
