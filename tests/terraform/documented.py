"""AWS's own metrics with which a gateway may be watched, and the sets of dimensions under which AWS files them.

From "Monitoring HTTP APIs with CloudWatch metrics" and "Amazon API Gateway dimensions and metrics" (REST), "Types of
metrics for Lambda functions", "DynamoDB metrics and dimensions" and "Available CloudWatch metrics for Amazon SQS".
"""

from __future__ import annotations

Dimensions = tuple[frozenset[str], ...]


def _by(*groups: str) -> Dimensions:
    return tuple(frozenset(group.split()) for group in groups)


_API = _by("ApiId", "ApiId Stage", "ApiId Method Resource Stage")
_REST = _by("ApiName", "ApiName Stage", "ApiName Method Resource Stage")
_FUNCTION = _by("FunctionName", "FunctionName Resource", "FunctionName Resource ExecutedVersion", "")
_TABLE = _by("TableName", "TableName GlobalSecondaryIndexName")
_OPERATION = _by("TableName Operation")
_QUEUE = _by("QueueName")

AWS_METRICS: dict[str, dict[str, Dimensions]] = {
    "AWS/ApiGateway": dict.fromkeys(("4xx", "5xx", "DataProcessed"), _API)
    | dict.fromkeys(("4XXError", "5XXError"), _REST)
    | dict.fromkeys(("Count", "IntegrationLatency", "Latency"), _API + _REST),
    "AWS/Lambda": dict.fromkeys(
        ("ConcurrentExecutions", "Duration", "Errors", "Invocations", "IteratorAge", "Throttles"), _FUNCTION
    )
    | {"ClaimedAccountConcurrency": _by("")},
    "AWS/DynamoDB": dict.fromkeys(
        ("ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits", "ReadThrottleEvents", "WriteThrottleEvents"), _TABLE
    )
    | dict.fromkeys(("SuccessfulRequestLatency", "SystemErrors", "ThrottledRequests"), _OPERATION),
    "AWS/SQS": dict.fromkeys(("ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesVisible"), _QUEUE),
}
