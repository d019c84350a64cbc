"""The items that a gateway stores in a life of a few hours, with one version of the code: every kind of item, made by
its functions."""

from __future__ import annotations

import hashlib
import threading
from contextlib import suppress
from typing import Any

from gateway.dynamodb.attributes import from_item, to_item
from tests.upgrade.version import Crashed, Reply, Version
from tests.upgrade.world import World
from tools.local import seed

SESSION = "0f8fad5b-d9cb-469f-a165-70867728950e"
FORGOTTEN = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
MINUTE = 60.0
ADMIN = "/api/v1/admin"
Keys = dict[str, str]
CHAT: dict[str, Any] = {"model": "gpt-4", "messages": [{"role": "user", "content": "Hello!"}], "max_tokens": 100}
STREAMED = CHAT | {"stream": True, "user": "somebody"}
SLOW = CHAT | {"messages": [{"role": "user", "content": "[[fake delay=30]] Hello!"}]}

_NOISE = "".join(hashlib.sha256(bytes([number])).hexdigest() for number in range(100))
# Its answer is too large to be stored in the claim itself.
LARGE: dict[str, Any] = CHAT | {"messages": [{"role": "user", "content": f"[[fake text={_NOISE}]] Hello!"}]}


class Life:
    """`keys` has the texts of keys by name, `ids` the ids for names in addresses."""

    def __init__(self, world: World, version: Version) -> None:
        self.world, self.version = world, version
        self.keys: Keys = {}
        self.ids: Keys = {}
        self.told: set[tuple[str, str]] = set()

    def lived(self) -> None:
        """Runs everything, in order. At the end the last call is still in progress, and a few rows are not counted."""
        self.keys = seed.seed_keys(self.world.database, self.world.names)
        self.job("rate(1 minute)")  # a sweeper without a cursor begins with today
        for step in (self._people, self._shop, self._config, self._calls, self._streams, self._a_crash, self._failures):
            step()
        self.tell_the_stream()
        self._corrections()
        self._poison()
        self._forget_a_session()
        self.tell_the_stream()
        self.world.clock.now += 10 * MINUTE
        self.job("rate(1 minute)")
        self.world.clock.now += 20 * MINUTE
        self.job("rate(1 hour)")
        self._many_rows_of_a_day()
        self._the_last_hour()

    def _people(self) -> None:
        of_a_team = {"max_budget": 500, "budget_duration": "monthly", "budget_raise": _RAISE, "may_store": True}
        team = self.admin("POST", "teams", {"id": "blue", "name": "Blue"} | of_a_team)
        gone = self.admin("POST", "teams", {"id": "gone", "name": "Gone"})
        self.admin("DELETE", f"teams/{gone['id']}")
        limits = {"max_budget": 20, "budget_duration": "monthly", "budget_raise": _RAISE, "max_parallel_requests": 9}
        self.admin("PUT", "users/anne", {"name": "Anne"} | limits)
        self.admin("PUT", "users/ben", {"name": "Ben", "rpm_limit": 5})
        self.admin("DELETE", "users/ben")
        self._key("full", tier="enterprise", team_id=team["id"], user_id="anne", max_budget=100, **_EVERY_FIELD)
        self._key("three", tier="free", rpm_limit=3)
        self._key("poor", tier="enterprise", max_budget=0.001, budget_duration="daily")
        self._key("raised", tier="enterprise", max_budget=0.001, budget_duration="daily", budget_raise=_RAISE)
        self._key("elsewhere", tier="enterprise", allowed_ips=["203.0.113.0/24"])
        self._key("single", tier="enterprise", max_parallel_requests=1)
        self._key("warned", tier="enterprise", max_budget=0.0035, budget_duration="total")
        self._key("crashed", tier="enterprise", max_budget=7, budget_duration="weekly")
        self._key("revoked", tier="enterprise")
        self._key("deleted", tier="enterprise")
        self._key("rotated", tier="enterprise")
        self._key("agent", tier="enterprise")
        self._key("bound", tier="enterprise", residency="us")
        self._key("busy", tier="enterprise")
        self.admin("POST", f"keys/{self.ids['revoked']}/revoke")
        self.admin("POST", f"keys/{self.ids['deleted']}/revoke")
        self.admin("DELETE", f"keys/{self.ids['deleted']}")
        turned = self.admin("POST", f"keys/{self.ids['rotated']}/rotate", {"overlap_hours": 48})
        self.keys |= {"rotated-before": self.keys["rotated"], "rotated": turned["key"]}

    def _key(self, name: str, **fields: Any) -> None:
        made = self.admin("POST", "keys", {"name": name} | fields)
        self.keys[name], self.ids[name] = made["key"], made["id"]

    def _shop(self) -> None:
        for number, name in enumerate(("Wireless headphones", "Wired headphones", "Mug")):
            product = {"id": f"p{number}", "name": name, "price": {"amount": 10 + number, "currency": "USD"}}
            product |= {"category": {"path": ["audio" if number < 2 else "home"]}, "description": "Made for a test."}
            self.admin("POST", "products", product)
        self.admin("PATCH", "products/p2", {"name": "Large mug"})

    def _config(self) -> None:
        self.admin("POST", "config", {"rateLimits": {"basic": {"requestsPerMinute": 77}}})
        self.admin("POST", "config", {"models": {"house": {"target": "openai/gpt-4o-mini"}}, "cacheMarks": "always"})

    def _calls(self) -> None:
        self.called("full", idempotency_key="once")
        self.called("full", LARGE["messages"][0]["content"], idempotency_key="large")
        self.called("full", x_claude_code_session_id=SESSION, x_claude_code_request_class="main")
        self.called("full", "[[fake cached=100 cache-write=50 reasoning-tokens=7]] Hello!")
        for _ in range(3):
            self.called("three")
        self.called("poor", wanted=402)
        self.called("raised")
        self.called("elsewhere", wanted=403)
        self.called("rotated")
        for _ in range(3):
            self.called("warned")
        for _ in range(3):
            self.called("single")

    def _streams(self) -> None:
        """At the streaming door: calls that may take long, sessions, and an agent and a person that are stored as
        marks."""
        named = {"x_claude_code_session_id": SESSION, "x_claude_code_agent_id": "an agent's name"}
        body = CHAT | {"metadata": {"user_id": "somebody"}, "stream": True}
        self._streamed("/v1/messages", body, **named)
        self._streamed("/v1/messages", body, **named | {"x_claude_code_session_id": FORGOTTEN})
        self._streamed("/v1/chat/completions", STREAMED, idempotency_key="streamed")

    def _streamed(self, path: str, body: Any, **headers: str) -> None:
        reply = self.version.stream(path, body, self.keys["agent"], **headers)
        if reply.status != 200:
            raise AssertionError(f"{path}: {reply.status}: {reply.text}")

    def _forget_a_session(self) -> None:
        self.admin("DELETE", f"usage/sessions?key={self.ids['agent']}&session={FORGOTTEN}")

    def _a_crash(self) -> None:
        """Calls whose function dies while it waits for the provider: a row stays open, and a claim."""
        self.die_in_a_call("crashed", idempotency_key="died")

    def die_in_a_call(self, key: str, **headers: str) -> None:
        seen = len(self.world.fake.seen)
        threading.Thread(target=self._ask_quietly, args=(key, headers), daemon=True).start()
        self.world.until(lambda: len(self.world.fake.seen) > seen, "a call reaches its provider")
        self.version.kill()

    def _ask_quietly(self, key: str, headers: dict[str, str]) -> None:
        with suppress(Crashed):
            self.version.ask("POST", "/v1/chat/completions", SLOW, self.keys[key], **headers)

    def _failures(self) -> None:
        """A breaker that opens by itself, and a breaker that an operator opens."""
        for _ in range(6):
            self.called("busy", "[[fake status=500]] Hello!", model="gpt-4o", wanted=None)
        self.admin("POST", "circuit-breakers", {"action": "open", "breakers": ["openai/gpt-4o-mini@global"]})

    def _corrections(self) -> None:
        entry = {"key": self.ids["full"], "amount": -0.5, "reason": "an outage", "id": "ticket-1"}
        self.admin("POST", "corrections", entry)

    def _poison(self) -> None:
        """A record that no version can read."""
        record = {"eventName": "MODIFY", "dynamodb": {"SequenceNumber": "1", "NewImage": {"v": {"N": "99"}}}}
        self.version.run(self.version.of_event("stream"), {"Records": [record]})

    def _many_rows_of_a_day(self) -> None:
        """Slots of a busy key fill up and are added to their day: one of today's rows is repeated as often as needed,
        because two hundred real calls would take too long. The copies differ in their ids."""
        rows = [row for row in map(from_item, self.world.scan("request-analytics")) if row["key"] == self.ids["busy"]]
        first = rows[0]
        more = [first | {"rid": f"{first['rid'][:-4]}{number:04d}", "n": number} for number in range(10, 130)]
        for row in more:
            put = {"TableName": self.world.names.table("request-analytics"), "Item": to_item(row)}
            self.world.database.call("PutItem", put)
        self.tell_the_stream()

    def _the_last_hour(self) -> None:
        """The state between two runs of all jobs: hours to reconcile, rows to count, calls in progress."""
        for _ in range(3):
            self.called("three")
        self.called("full")
        self.die_in_a_call("single")
        self.die_in_a_call("crashed", idempotency_key="died-again")

    def called(
        self, key: str, text: str = "Hello!", model: str = "gpt-4", wanted: int | None = 200, **headers: str
    ) -> Reply:
        """A paid call. `wanted` is its expected status; None allows any."""
        body = CHAT | {"model": model, "messages": [{"role": "user", "content": text}]}
        reply = self.version.ask("POST", "/v1/chat/completions", body, self.keys[key], **headers)
        if wanted is not None and reply.status != wanted:
            raise AssertionError(f"a call of {key}: {reply.status} instead of {wanted}: {reply.text}")
        return reply

    def admin(self, method: str, path: str, body: Any = None) -> Any:
        reply = self.version.ask(method, f"{ADMIN}/{path}", body, self.keys["admin"])
        if reply.status >= 300:
            raise AssertionError(f"{method} {path}: {reply.status}: {reply.text}")
        return reply.body

    def job(self, rate: str) -> None:
        self.version.run(self.version.of_event(rate), {})

    def tell_the_stream(self, *, again: bool = False) -> None:
        """The consumer gets the changes since the last time; with `again` it gets all changes from the beginning."""
        records: list[dict[str, Any]] = []
        for item in self.world.scan("request-analytics"):
            state = item["state"]["S"]
            known = (item["rid"]["S"], state)
            if state == "OPEN" or (known in self.told and not again):
                continue
            self.told.add(known)
            change = {"SequenceNumber": f"{len(records):08d}", "NewImage": item}
            records.append({"eventName": "INSERT" if state == "CORRECTION" else "MODIFY", "dynamodb": change})
        failed = self.version.run(self.version.of_event("stream"), {"Records": records})
        if failed["batchItemFailures"]:
            raise AssertionError(f"the consumer could not take {failed}")


_RAISE = {"amount": 2, "until": "2029-01-01T00:00:00Z"}
_EVERY_FIELD = {
    "models": ["gpt-4", "gpt-4o", "house"],
    "expires": "2030-01-01T00:00:00Z",
    "rpm_limit": 1_000,
    "tpm_limit": 1_000_000,
    "rpd_limit": 50_000,
    "rph_limit": 9_000,
    "tpd_limit": 9_000_000,
    "tph_limit": 8_000_000,
    "max_parallel_requests": 40,
    "allowed_ips": ["192.0.2.0/24", "2001:db8::/32"],
    "budget_raise": _RAISE,
    "model_limits": {"gpt-4": {"max_budget": 50, "budget_duration": "daily"}},
    "metadata": {"ticket": "t1"},
}
