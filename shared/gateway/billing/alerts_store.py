"""The budget alerts that were sent, in the table `state`; and the SNS topic that they are sent to."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Literal
from urllib.parse import urlencode

from gateway.aws.http import AwsHttp, HttpError
from gateway.billing.counters import Bounded
from gateway.dynamodb.attributes import to_item
from gateway.dynamodb.client import Database
from gateway.errors import ConditionFailed, StoreUnavailable

_KEPT_SECONDS = 400 * 86_400
Claim = Literal["mine", "another_s", "sent"]


class AlertStore:
    def __init__(self, database: Database, table: str) -> None:
        self._database = database
        self._table = table

    def claim(self, bounded: Bounded, threshold: int, now: int, retry_before: int) -> Claim:
        """`mine`: the caller must send the alert, because nobody claimed it yet, or because whoever claimed it did so
        before `retry_before` and has not sent it. `another_s`: somebody else claimed it and has not sent it yet.
        `sent`: it was sent. Times are seconds since the epoch. A changed budget is a different budget: its thresholds
        start again."""
        item = {**_key(bounded, threshold), "sent": False, "claimed": now, "ttl": now + _KEPT_SECONDS}
        request = {
            "TableName": self._table,
            "Item": to_item(item),
            "ConditionExpression": "attribute_not_exists(pk) OR (sent = :no AND claimed < :before)",
            "ExpressionAttributeValues": to_item({":no": False, ":before": retry_before}),
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        try:
            self._database.call("PutItem", request)
        except ConditionFailed as refused:
            return "sent" if refused.item and refused.item["sent"] else "another_s"
        return "mine"

    def sent(self, bounded: Bounded, threshold: int) -> None:
        """Note that a claimed alert was sent."""
        request = {
            "TableName": self._table,
            "Key": to_item(_key(bounded, threshold)),
            "UpdateExpression": "SET sent = :yes",
            "ConditionExpression": "attribute_exists(pk)",
            "ExpressionAttributeValues": to_item({":yes": True}),
        }
        with suppress(ConditionFailed):
            self._database.call("UpdateItem", request, attempts=2)


class Topic:
    """An SNS topic. Source of the wire format: the SNS API reference, Publish (query protocol)."""

    def __init__(self, http: AwsHttp, arn: str) -> None:
        self._http = http
        self._arn = arn

    def publish(self, subject: str, text: str) -> None:
        """Raises StoreUnavailable. The error contains nothing of SNS's answer."""
        fields = {"Action": "Publish", "Version": "2010-03-31", "TopicArn": self._arn}
        body = urlencode(fields | {"Subject": subject[:100], "Message": text}).encode()
        headers = {"content-type": "application/x-www-form-urlencoded"}
        try:
            status = self._http.post("/", body, headers, timeout=3.0).status
        except HttpError as error:
            raise StoreUnavailable("the topic does not answer") from error
        if status != 200:
            raise StoreUnavailable(f"the topic answered {status}")


def _key(bounded: Bounded, threshold: int) -> dict[str, Any]:
    return {"pk": f"alert#{bounded.account}", "sk": f"{bounded.window}#{bounded.budget}#{threshold}"}
