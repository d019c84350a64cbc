"""Corrections, statements, alerts and last use, through the stream; and commands that redrive and rebuild the bill."""

import os
import subprocess
import sys
from datetime import UTC, datetime

from tests.integration.conftest import Live
from tests.integration.waiting import eventually
from tools.local.emulator import ROOT


def test_a_month_of_a_team(gateway: Live) -> None:
    assert gateway.admin("POST", "/teams", {"id": "green", "name": "Green"}).status == 201
    key, key_id = gateway.new_key(team_id="green")
    reply = gateway.complete(key)
    assert reply.status == 200, reply.text
    cost = round(float(reply.headers["x-gateway-cost"]) * 1_000_000)
    credit = {"key": key_id, "amount": -0.25, "reason": "outage on Monday", "id": "credit-1"}
    first, again = (gateway.admin("POST", "/corrections", credit) for _ in range(2))
    assert (first.status, again.status, first.body) == (201, 200, again.body)
    assert gateway.admin("POST", "/corrections", credit | {"amount": 1}).status == 409
    month = f"{datetime.now(UTC):%Y-%m}"

    def stated() -> bool:
        statement = gateway.admin("GET", f"/teams/green/statements?month={month}").body
        return bool(statement["total_micro_usd"] == cost - 250_000 and statement["lines"][0]["model"] == "gpt-4")

    eventually(stated)
    eventually(lambda: gateway.admin("GET", f"/usage?key={key_id}").body["total"]["corrections"] == -0.25)
    listed = gateway.admin("GET", f"/corrections?month={month}&team=green").body["data"]
    assert [entry["reason"] for entry in listed] == ["outage on Monday"]
    text = gateway.admin("GET", f"/teams/green/statements?month={month}&format=csv").text
    assert text.splitlines()[0].startswith("kind,key,model")
    assert gateway.admin("GET", "/teams/green/statements?month=now").body["error"]["param"] == "month"
    eventually(lambda: gateway.admin("GET", f"/keys/{key_id}").body["last_used"])


def test_a_session_s_bill_comes_through_the_stream_and_is_erased(gateway: Live) -> None:
    session = "0f8fad5b-d9cb-469f-a165-70867728950e"
    key, key_id = gateway.new_key()
    body = {"model": "gpt-4", "messages": [{"role": "user", "content": "hello"}], "user": "anne@example.com"}
    headers = {"authorization": f"Bearer {key}", "x-claude-code-session-id": session}
    reply = gateway.call("POST", "/v1/chat/completions", body, headers)
    assert reply.status == 200, reply.text
    listed = eventually(lambda: gateway.admin("GET", f"/usage/sessions?key={key_id}").body["data"])
    assert [(each["session"], each["requests"]) for each in listed] == [(session, 1)]
    assert listed[0]["cost_micro_usd"] == round(float(reply.headers["x-gateway-cost"]) * 1_000_000)
    assert gateway.admin("GET", f"/usage/sessions/{session}?key={key_id}").body["by_key"][key_id]["requests"] == 1
    erased = gateway.admin("DELETE", f"/usage/sessions?key={key_id}&user=anne@example.com")
    assert erased.body == {"erased": 1, "complete": True}
    assert gateway.admin("GET", f"/usage/sessions?key={key_id}").body["data"] == []


def test_a_budget_alert_reaches_the_topic(gateway: Live) -> None:
    key, key_id = gateway.new_key(max_budget=0.5)
    reply = gateway.complete(key, "[[fake cache-write=9000000]]", model="bedrock/amazon.nova-lite-v1:0")
    assert reply.status == 200, reply.text

    def alerted() -> list[int]:
        logs = gateway.deployer.client("logs")
        name = gateway.deployment.functions["analytics"]
        events = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}", filterPattern="budget alert")["events"]
        return [1 for event in events if key_id in event["message"]]

    eventually(lambda: len(alerted()) == 3)


def test_the_commands_of_the_bill(gateway: Live) -> None:
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    options = ["--env", gateway.deployer.names.environment, "--endpoint", gateway.endpoint]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": "shared:."}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tools.aws", *arguments, *options]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    assert "can't be counted still" in run("redrive").stdout
    eventually(lambda: run("rebuild", "--from", today, "--to", today).returncode == 0)
    assert "0 sums differ" in run("rebuild", "--from", today, "--to", today).stdout
    assert run("rebuild", "--from", "yesterday").returncode == 1
