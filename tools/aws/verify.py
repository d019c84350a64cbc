"""Checks that only AWS can prove of a deployed gateway. They call both doors with a new key, and delete it afterwards.

They cost less than a dollar: the key has a budget of 50 cents, and answers are short. Each check reports ok, FAILED, or
why it was not run.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from gateway.identity import key_text as keys
from tools.aws.place import OperatorError, Place
from tools.aws.smoke import one_a_provider
from tools.aws.streaming import Streamed, ask, chat, ended

_BUDGET = 0.5  # US dollars
_MIB = 1024 * 1024
_LONG = "Write a story of at least three thousand words about a lighthouse. Do not stop early."
_COUNTED_SECONDS = 180.0  # an abandoned call runs to its cap, and only then is counted
_COLD_MS = 3_000  # how long Claude Code waits for the list of models


@dataclass(frozen=True, slots=True)
class Seen:
    """`passed` is None if the check was not run. `said` then gives the reason."""

    name: str
    passed: bool | None
    said: str

    def line(self) -> str:
        return f"{ {True: 'ok', False: 'FAILED', None: 'not run'}[self.passed]:8} {self.name}: {self.said}"


@dataclass(slots=True)
class Verification:
    """Both addresses, the admin's key, and the key that the checks use."""

    place: Place
    url: str
    stream: str
    admin: str
    model: str = ""
    key: str = field(default="", repr=False)
    key_id: str = ""

    def run(self) -> Iterator[Seen]:
        """Run the checks in order. The key is always deleted. Raises OperatorError if no key can be made."""
        self._make_key()
        try:
            self.model = self.model or self._cheap_model()
            for check in _CHECKS:
                yield check(self)
            yield self._cost()
        finally:
            self.administer("DELETE", f"/keys/{self.key_id}")

    def administer(self, method: str, path: str, body: dict[str, Any] | None = None) -> Streamed:
        return ask(self.url, method, f"/api/v1/admin{path}", {"x-api-key": self.admin}, body)

    def call(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Streamed:
        """Call the streaming door with the key."""
        return ask(self.stream, method, path, {"authorization": f"Bearer {self.key}"} | (headers or {}), body)

    def requests(self) -> int:
        """The number of the key's calls that have been billed."""
        found = self.administer("GET", f"/usage?key={self.key_id}").body
        return int(found.get("total", {}).get("requests", 0))

    def on_aws(self) -> bool:
        return not self.place.endpoint

    def _make_key(self) -> None:
        wanted = {"name": "verify-aws", "tier": "basic", "max_budget": _BUDGET}
        made = self.administer("POST", "/keys", wanted)
        if made.status != 201:
            raise OperatorError(f"No key could be made for the checks: {made.said}. GATEWAY_KEY is an admin's key.")
        self.key, self.key_id = made.body["key"], made.body["id"]

    def _cheap_model(self) -> str:
        named = list(one_a_provider(self.call("GET", "/v1/models").text))
        if not named:
            raise OperatorError("The gateway lists no model that could be called.")
        return named[0]

    def _cost(self) -> Seen:
        total = self.administer("GET", f"/usage?key={self.key_id}").body.get("total", {})
        cost = float(total.get("cost", 0))
        return Seen("costs little", cost < _BUDGET, f"{total.get('requests', 0)} calls of {self.model}, {cost:.6f} USD")


def _shaped(answer: Streamed, *statuses: int) -> bool:
    """Whether it is an error with a message and a request id, which clients of both dialects read."""
    error = answer.body.get("error")
    return (
        answer.status in statuses
        and isinstance(error, dict)
        and bool(error.get("message"))
        and "x-request-id" in answer.headers
    )


def _asked(name: str, answer: Streamed, *statuses: int) -> Seen:
    return Seen(name, _shaped(answer, *statuses), answer.said)


def _one_host(this: Verification) -> Seen:
    name = "one host has both doors"
    if urlsplit(this.url).netloc != urlsplit(this.stream).netloc:
        return Seen(name, None, "there is no custom domain: each door has its own address")
    return Seen(name, this.call("GET", "/v1/models").status == 200, urlsplit(this.stream).netloc)


def _below_stage(this: Verification) -> Seen:
    name = "answers below its stage"
    if not urlsplit(this.stream).path:
        return Seen(name, None, "this address has no stage")
    answer = this.call("GET", "/v1/models")
    return Seen(name, answer.status == 200, f"{answer.status} at {urlsplit(this.stream).path}")


def _routes(this: Verification) -> Seen:
    return _asked("knows its routes", this.call("GET", "/v1/no/such/route"), 404)


def _no_key(this: Verification) -> Seen:
    return _asked("refuses no key", ask(this.stream, "GET", "/v1/models"), 401)


def _two_keys(this: Verification) -> Seen:
    return _asked("refuses two keys", this.call("GET", "/v1/models", headers={"x-api-key": keys.new_key()}), 401)


def _no_context(this: Verification) -> Seen:
    context = {"authorizer": {"keyId": this.key_id, "principalId": this.key_id}, "identity": {"apiKey": this.key}}
    sent = {"x-amzn-request-context": json.dumps(context), "x-amzn-lambda-context": "{}"}
    return _asked("believes no context header", ask(this.stream, "GET", "/v1/key", sent), 401)


def _own_413(this: Verification) -> Seen:
    """API Gateway accepts 10 MB: a larger body never reaches the function."""
    name = "shapes its own 413"
    if not this.on_aws():
        return Seen(name, None, "what stands before an emulator hands everything on")
    return _asked(name, this.call("POST", "/v1/chat/completions", b" " * (11 * _MIB)), 413)


def _above_5_mib(this: Verification) -> Seen:
    body = json.dumps(chat(this.model, "x" * (5 * _MIB))).encode()
    return _asked("refuses more than 5 MiB", this.call("POST", "/v1/chat/completions", body), 413)


def _takes_5_mib(this: Verification) -> Seen:
    """The largest allowed body passes Lambda's own limit: it is refused for its model, not its size."""
    body = json.dumps(chat("no-such-model", 'a "line"\\n' * 400_000))[: 5 * _MIB].encode()
    answer = this.call("POST", "/v1/chat/completions", body)
    return Seen("takes 5 MiB", answer.status in (400, 404), answer.said)


def _streams(this: Verification) -> Seen:
    return _as_it_comes("streams as it comes", this.call("POST", "/v1/chat/completions", chat(this.model)), "chat")


def _streams_messages(this: Verification) -> Seen:
    sent = {"anthropic-version": "2023-06-01"}
    return _as_it_comes("streams Messages", this.call("POST", "/v1/messages", chat(this.model), sent), "messages")


def _as_it_comes(name: str, answer: Streamed, dialect: str) -> Seen:
    if not ended(answer, dialect):
        return Seen(name, False, f"{answer.status} ...{answer.text[-120:]}")
    first, last = answer.came[0], answer.came[-1]
    said = f"{len(answer.came)} pieces, first byte after {first:.2f} s, the last after {last:.2f} s"
    if last - first < 0.2:  # too fast to distinguish from a buffered answer
        return Seen(name, None, f"{said}: the model was too fast to show it")
    return Seen(name, len(answer.came) >= 3, said)


def _long(this: Verification) -> Seen:
    name = "outlives 30 seconds"
    if not this.on_aws():
        return Seen(name, None, "an emulator's models answer at once")
    answer = this.call("POST", "/v1/chat/completions", chat(this.model, _LONG, 8_000))
    took = answer.came[-1] if answer.came else 0.0
    if ended(answer) and took <= 30:
        return Seen(name, None, f"the model was done after {took:.0f} s: name a slower one by MODEL=")
    return Seen(name, ended(answer), f"{took:.0f} s, {len(answer.came)} pieces")


def _hang_up(this: Verification) -> Seen:
    before = _settled(this, this.requests(), 0)
    left = ask(
        this.stream, "POST", "/v1/chat/completions", {"authorization": f"Bearer {this.key}"}, chat(this.model), pieces=1
    )
    after = _settled(this, before, 1)
    return Seen(
        "bills a hang-up once", left.status == 200 and after == before + 1, f"{after - before} call was counted"
    )


def _settled(this: Verification, before: int, more: int) -> int:
    """The number of counted calls, once it is at least `before + more` and stable."""
    deadline, last = time.monotonic() + _COUNTED_SECONDS, -1
    while time.monotonic() < deadline:
        now = this.requests()
        if now >= before + more and now == last:
            return now
        last = now
        time.sleep(3)
    return last


def _throttled(this: Verification) -> Seen:
    name = "throttles with its own 429"
    if not this.on_aws():
        return Seen(name, None, "an emulator throttles nothing")
    with ThreadPoolExecutor(60) as callers:  # the limit is a burst of 100, and 50 a second
        answers = list(
            callers.map(lambda _: ask(this.stream, "GET", "/v1/models", {"x-api-key": "sk-none"}), range(600))
        )
    refused = [each for each in answers if each.status == 429]
    shaped = all(_shaped(each, 429) and each.headers.get("retry-after") == "1" for each in refused)
    return Seen(name, bool(refused) and shaped, f"{len(refused)} of {len(answers)} bad keys")


def _cold(this: Verification) -> Seen:
    name = "lists models when cold"
    if not this.on_aws():
        return Seen(name, None, "only Lambda starts an environment")
    pattern = '{ $.type = "platform.report" && $.record.metrics.initDurationMs > 0 }'
    lines = _logged(this, f"/aws/lambda/{this.place.names.prefix}-stream", pattern)
    starts = [float(line["record"]["metrics"]["initDurationMs"]) for line in lines]
    if not starts:
        return Seen(name, None, "nothing started within the last hour")
    return Seen(name, max(starts) < _COLD_MS, f"{len(starts)} starts, the longest took {max(starts):.0f} ms of INIT")


def _access_log(this: Verification) -> Seen:
    name = "logs when a stream began"
    if not this.on_aws():
        return Seen(name, None, "an emulator has no access log")
    lines = _logged(this, f"/aws/apigateway/{this.place.names.prefix}-stream", '{ $.status = "200" }')
    found = [line["first_content_ms"] for line in lines if str(line.get("first_content_ms", "")).isdigit()]
    return Seen(name, bool(found), f"{len(found)} of {len(lines)} lines say it")


def _logged(this: Verification, group: str, pattern: str) -> list[dict[str, Any]]:
    """Log lines of the last hour. They reach CloudWatch seconds after they are written."""
    logs, since = this.place.client("logs"), int((time.time() - 3_600) * 1_000)
    deadline = time.monotonic() + 60
    while True:
        pages = logs.get_paginator("filter_log_events").paginate(
            logGroupName=group, filterPattern=pattern, startTime=since
        )
        found = [json.loads(event["message"]) for page in pages for event in page["events"]]
        if found or time.monotonic() > deadline:
            return found
        time.sleep(5)


_CHECKS: tuple[Callable[[Verification], Seen], ...] = (
    _one_host,
    _below_stage,
    _routes,
    _no_key,
    _two_keys,
    _no_context,
    _own_413,
    _above_5_mib,
    _takes_5_mib,
    _streams,
    _streams_messages,
    _long,
    _hang_up,
    _throttled,
    _cold,
    _access_log,
)


def report(environment: str, region: str, seen: list[Seen], at: float) -> str:
    """The results as a page."""
    day = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(at))
    lines = [f"# {environment} in {region}, {day}", "", "| check | outcome | seen |", "|---|---|---|"]
    outcome = {True: "ok", False: "FAILED", None: "not run"}
    for each in seen:
        said = each.said.replace("|", "\\|").replace("\n", " ")
        lines.append(f"| {each.name} | {outcome[each.passed]} | {said} |")
    return "\n".join([*lines, ""])
