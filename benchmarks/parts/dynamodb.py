"""A DynamoDB that says yes: it keeps items and makes the updates that it is asked for, but looks at no condition other
than whether the item is there, and at no signature. It replaces the service where only its callers are measured: it
answers as DynamoDB would if no condition failed, and leaves the cores to them.

Prints its URL and serves until it is ended. Run: python dynamodb.py [seconds that each answer takes]
"""

from __future__ import annotations

import json
import re
import socketserver
import sys
import time
from typing import Any

Item = dict[str, Any]
KEYS = ("id", "minute", "rid", "pk", "sk")
_CLAUSE = re.compile(r"\b(SET|REMOVE|ADD|DELETE) ")
_ASSIGNED = re.compile(r"(\S+) = (if_not_exists\((\S+), (\S+)\)|[^\s,]+)(?: ([+-]) (\S+?))?(?:, |$)")
_ANSWER = b"HTTP/1.1 %d OK\r\nServer: Server\r\nDate: Tue, 24 Nov 2026 10:00:00 GMT\r\n" + (
    b"Content-Type: application/x-amz-json-1.0\r\nContent-Length: %d\r\nConnection: keep-alive\r\n"
    b"x-amzn-RequestId: KQ4UTG5R0JAB2VN4EDE7QKFB2VVV4KQNSO5AEMVJF66Q9ASUAAJG\r\nx-amz-crc32: 2745614147\r\n\r\n%b"
)


class Tables:
    def __init__(self) -> None:
        self._items: dict[tuple[str, ...], Item] = {}

    def answer(self, operation: str, asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Status and body."""
        match operation:
            case "PutItem":
                self._put(asked)
                return 200, {}
            case "TransactWriteItems":
                for each in asked["TransactItems"]:
                    if "Put" in each:
                        self._put(each["Put"])
                return 200, {}
            case "GetItem":
                found = self._items.get(_place(asked["TableName"], asked["Key"]))
                return 200, {"Item": found} if found else {}
            case "BatchGetItem":
                return 200, {"Responses": {table: self._found(table, of) for table, of in _wanted(asked)}}
            case "UpdateItem":
                return self._update(asked)
        return 400, {"__type": "x#UnknownOperationException"}

    def _put(self, asked: dict[str, Any]) -> None:
        self._items[_place(asked["TableName"], asked["Item"])] = asked["Item"]

    def _found(self, table: str, keys: list[Item]) -> list[Item]:
        places = (_place(table, key) for key in keys)
        return [self._items[place] for place in places if place in self._items]

    def _update(self, asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        place, condition = _place(asked["TableName"], asked["Key"]), asked.get("ConditionExpression", "")
        if place not in self._items and condition and "attribute_not_exists(pk)" not in condition:
            return 400, {"__type": "x#ConditionalCheckFailedException"}
        item = self._items.setdefault(place, dict(asked["Key"]))
        _, *parts = _CLAUSE.split(asked["UpdateExpression"])
        for clause, text in zip(parts[::2], parts[1::2], strict=True):
            _apply(item, clause, text.strip(), asked)
        return 200, {"Attributes": item} if asked.get("ReturnValues") == "ALL_NEW" else {}


def _apply(item: Item, clause: str, text: str, asked: dict[str, Any]) -> None:
    names, values = asked.get("ExpressionAttributeNames", {}), asked["ExpressionAttributeValues"]

    def valued(word: str) -> Any:
        return values[word] if word[0] == ":" else item[names.get(word, word)]

    if clause == "REMOVE":
        for word in text.split(", "):
            item.pop(names.get(word, word), None)
        return
    if clause == "ADD":  # of breakers: no call here is hindered
        return
    changed = {}
    for match in _ASSIGNED.finditer(text):
        name, plain, kept, otherwise, sign, more = match.groups()
        there = kept and names.get(kept, kept) in item
        value = valued((kept if there else otherwise) if kept else plain)
        if sign:
            number = int(value["N"]) + int(valued(more)["N"]) * (1 if sign == "+" else -1)
            value = {"N": str(number)}
        changed[names.get(name, name)] = value
    item.update(changed)


def _place(table: str, key: Item) -> tuple[str, ...]:
    return (table, *(str(key[name]) for name in KEYS if name in key))


def _wanted(asked: dict[str, Any]) -> list[tuple[str, list[Item]]]:
    return [(table, of["Keys"]) for table, of in asked["RequestItems"].items()]


class Handler(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True

    def handle(self) -> None:
        while line := self.rfile.readline():
            headers = {}
            while (line := self.rfile.readline().strip()) != b"":
                name, _, value = line.partition(b":")
                headers[name.lower()] = value.strip()
            body = self.rfile.read(int(headers[b"content-length"]))
            operation = headers[b"x-amz-target"].decode().partition(".")[2]
            time.sleep(TAKES)
            status, answer = TABLES.answer(operation, json.loads(body))
            text = json.dumps(answer, separators=(",", ":")).encode()
            self.wfile.write(_ANSWER % (status, len(text), text))


TABLES = Tables()
TAKES = float(sys.argv[1]) if len(sys.argv) > 1 else 0.0

if __name__ == "__main__":
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        sys.stdout.write(f"http://127.0.0.1:{server.server_address[1]}\n")
        sys.stdout.flush()
        server.serve_forever()
