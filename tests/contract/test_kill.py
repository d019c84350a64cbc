"""kill -9 of the function at every point where it waits: its row becomes EXPIRED in time, and the sums are right.

The function runs in its own process. All of its requests go through a relay, which kills it before a given request is
forwarded, or after the answer came and before the function gets it.
"""

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest

from gateway.breakers.store import BreakerStore
from gateway.identity.caller import KeyLimits
from gateway.ledger.admission import bookings_of
from gateway.ledger.rows_store import OPEN
from tests.contract.conftest import Tables
from tests.contract.test_reconcile import HOUR
from tests.contract.world import World
from tests.upstream import FakeUpstream, Steer
from tools.local.emulator import ROOT

SCRIPT = """
import json, sys, types
sys.path[:0] = ["shared", "."]
from functions.completions.handler import handler
event = json.load(sys.stdin)
context = types.SimpleNamespace(aws_request_id="aws-1", get_remaining_time_in_millis=lambda: 29_000)
print("ready", file=sys.stderr, flush=True)
print(json.dumps(handler(event, context)))
"""


# A call with two targets, which no route makes yet. The first target's answer can't be used, and is billed.
PLAN_SCRIPT = """
import json, sys
from dataclasses import replace
sys.path[:0] = ["shared", "."]
from gateway import wiring
from gateway.identity.caller import Caller
event = json.load(sys.stdin)
caller = Caller.from_context(event["requestContext"]["authorizer"]["lambda"])
service, body = wiring.gateway().completions, json.loads(event["body"])
plan = service.plan(caller, body, correlation_id="c", seconds_left=28)
plan = replace(plan, targets=(plan.first, plan.first))
call = service.admit(caller, plan, correlation_id="c", ends=service.now() + 28)
call.gather()
print(json.dumps({"statusCode": 200, "attempts": len(call.attempts)}))
"""
NONE = {"output": None, "stopReason": "end_turn", "usage": {"inputTokens": 90, "outputTokens": 40}}


class Relay:
    """Forwards requests to `targets` (by the first part of the path) and counts them; it kills the function at number
    `at`."""

    def __init__(self, targets: Mapping[str, str], at: int, *, after: bool) -> None:
        self.targets, self.at, self.after = dict(targets), at, after
        self.count, self.victim, self.killed = 0, 0, False
        self._lock = threading.Lock()
        relay = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:  # http.server needs this name
                relay.serve(self)

            def log_message(self, *_args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = False  # closing waits for them, so that no socket is left open
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        name, _, path = handler.path[1:].partition("/")
        body = handler.rfile.read(int(handler.headers.get("content-length", 0)))
        with self._lock:
            self.count += 1
            here = self.count == self.at
        if here and not self.after:
            self._kill(handler)
            return
        address = urlsplit(self.targets[name])
        headers = {key: text for key, text in handler.headers.items() if key.lower() != "host"}
        with closing(http.client.HTTPConnection(str(address.hostname), address.port, timeout=30)) as upstream:
            upstream.request("POST", f"/{path}", body, headers)
            with upstream.getresponse() as reply:
                answer = reply.read()
        if here:
            self._kill(handler)
            return
        handler.send_response(reply.status)
        handler.send_header("content-type", reply.getheader("content-type", "application/json"))
        handler.send_header("content-length", str(len(answer)))
        handler.end_headers()
        handler.wfile.write(answer)

    def _kill(self, handler: BaseHTTPRequestHandler) -> None:
        os.kill(self.victim, signal.SIGKILL)
        self.killed = True
        handler.close_connection = True

    @contextmanager
    def running(self) -> Iterator[None]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()


def call(tables: Tables, relay: Relay, world: World, script: str = SCRIPT) -> dict[str, Any] | None:
    """One completion by the real function, or by another script; None if it was killed."""
    path = "/api/v1/completions"
    event = {
        "routeKey": f"POST {path}",
        "rawPath": path,
        "headers": {"content-type": "application/json"},
        "body": json.dumps(
            {"model": "claude-3-sonnet", "max_tokens": 50, "messages": [{"role": "user", "content": "hello"}]}
        ),
        "requestContext": {
            "http": {"method": "POST", "path": path},
            "requestId": "r",
            "authorizer": {"lambda": world.caller.to_context()},
        },
    }
    environment = {
        "PATH": os.environ["PATH"],
        "GATEWAY_ENVIRONMENT": "kill",
        "GATEWAY_TABLE_PREFIX": tables.prefix,
        "GATEWAY_PROVIDERS": "bedrock",
        "GATEWAY_STORE_TIMEOUT_SECONDS": "30",
        "GATEWAY_LOOPBACK_PROVIDERS": "allow",
        "AWS_REGION": "us-east-1",
        "BEDROCK_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "y",
        "AWS_LAMBDA_FUNCTION_NAME": "kill-completions",
        "AWS_ENDPOINT_URL_DYNAMODB": f"{relay.url}/store",
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": f"{relay.url}/model",
    }
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    relay.victim = process.pid
    output, _ = process.communicate(json.dumps(event).encode(), timeout=60)
    if process.returncode == -signal.SIGKILL:
        return None
    return dict(json.loads(output.splitlines()[-1]))


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_kill_9_at_each_point_where_the_function_waits(tables: Tables, dynamodb_endpoint: str, after: bool) -> None:
    budget = KeyLimits(max_budget=50_000_000, budget_duration="total")
    states = []
    with FakeUpstream() as fake:
        for at in range(1, 30):
            world = World(tables, budget, team=budget, key=f"victim{at:02d}")
            relay = Relay({"store": dynamodb_endpoint, "model": fake.url}, at, after=after)
            with relay.running():
                answer = call(tables, relay, world)
            if answer is not None:
                assert (answer["statusCode"], relay.killed) == (200, False), answer
                break
            states.append(_ends_well(world))
    # It waits for its config, the items of its key and team, its row, the provider, the settlement and two releases.
    assert len(states) >= 8
    assert {"no row", "EXPIRED", "SETTLED"} <= set(states)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_kill_9_between_two_attempts_charges_the_hold_as_it_was_then(
    tables: Tables, dynamodb_endpoint: str, after: bool
) -> None:
    budget = KeyLimits(max_budget=50_000_000, budget_duration="total")
    charged, plain = set(), 0
    breakers = BreakerStore(tables.database, tables["state"])
    with FakeUpstream() as fake:
        for at in range(1, 30):
            fake.reset()
            fake.script(Steer(exact=json.dumps(NONE)))
            for breaker in breakers.all():  # this many unusable answers
                breakers.close(breaker.key, 0)
            world = World(tables, budget, team=budget, key=f"victim{at:02d}")
            relay = Relay({"store": dynamodb_endpoint, "model": fake.url}, at, after=after)
            with relay.running():
                answer = call(tables, relay, world, PLAN_SCRIPT)
            if answer is not None:
                assert (answer, relay.killed) == ({"statusCode": 200, "attempts": 2}, False)
                (row,) = world.rows()
                first, second = (attempt["cost"] for attempt in row["attempts"])
                assert (row["actual"], row["est"]) == (first + second, plain + first)
                break
            if _ends_well(world) == "EXPIRED":
                (row,) = world.rows()
                plain = plain or row["est"]  # killed before the top-up
                charged.add((row["actual"], row["est"]))
    # The plan's own estimate before the top-up; after it, the first attempt's bill in addition.
    assert charged == {(plain, plain), (plain + first, plain + first)}


def _ends_well(world: World) -> str:
    rows = world.rows()
    created = rows[0]["created"] if rows else world.now
    assert all(row["deadline"] * 1_000_000 - created <= 60_000_000 for row in rows)
    item = world.item()
    world.now = max([created, *(booking.ends for booking in bookings_of(item))]) + HOUR
    if rows and rows[0]["state"] == OPEN:
        assert [row["rid"] for row in world.row_store.open_rows(created // 60_000_000)] == [rows[0]["rid"]]
        cursor = world.sweeper().cursor
        cursor.write(created // 60_000_000 - 1)
        world.sweeper().sweep()
    world.reconcile()
    rows = world.rows()
    assert len(rows) <= 1
    assert world.drift() == {}
    for account in (world.key, f"team#{world.team_id}"):
        after = world.item(account)
        spent = rows[0]["actual"] if rows else 0
        assert (after.get("inflight", 0), after.get("used_total", 0)) == (0, spent)
        assert all(after[booking.held] == after[booking.calls] == 0 for booking in bookings_of(after))
    return str(rows[0]["state"]) if rows else "no row"
