"""The cost of a session with Claude Code or with Codex, by the session id that the agent sends."""

from __future__ import annotations

import re
import uuid
from functools import partial
from pathlib import Path
from typing import Any

from tests.clients.agents.agent import SECRET, claude_code, run_codex
from tests.clients.agents.test_agents import AGENTS, QUESTION, Agent, turns
from tests.clients.rows import rows
from tests.integration.conftest import Live
from tests.integration.waiting import eventually
from tests.upstream import Steer

MODEL = "claude-opus-5-5"


def test_a_session_s_bill_is_what_its_rows_cost(gateway: Live, tmp_path: Path) -> None:
    """Two sessions on one key: the first has two turns, the second has one."""
    key, key_id = gateway.new_key()
    ids = [str(uuid.uuid4()), str(uuid.uuid4())]
    agent = Agent(claude_code, tmp_path, MODEL, AGENTS["claude-code"][2], "", "", "")
    gateway.fake.decide = turns(agent.reads())
    for begun in (["--session-id", ids[0]], ["--resume", ids[0]], ["--session-id", ids[1]]):
        said = claude_code(tmp_path, gateway.base_url, key, MODEL, QUESTION, *begun)
        assert said.code == 0, said
        assert SECRET in said.text or begun != ["--session-id", ids[0]]
    found = rows(gateway, key_id)
    assert {row["session"]["id"] for row in found} == set(ids)
    for session in ids:
        own = [row for row in found if row["session"]["id"] == session]
        bill = eventually(partial(counted, gateway, key_id, session, len(own)))
        assert round(bill["cost"] * 1_000_000) == sum(row["actual"] for row in own) > 0
        assert set(bill["by_key"]) == {key_id}
    listed = gateway.admin("GET", f"/usage/sessions?key={key_id}").body["data"]
    assert sorted(each["session"] for each in listed) == sorted(ids)
    assert sum(each["requests"] for each in listed) == len(found)


def test_codex_s_session_s_bill_is_what_its_rows_cost(gateway: Live, tmp_path: Path) -> None:
    """Two sessions on one key: the first has two turns, the second is a review, which is a separate thread."""
    key, key_id = gateway.new_key()
    model, ids = "gpt-4o", list[str]()
    gateway.fake.decide = lambda seen: Steer(text="At nine.")
    for asked in (["hi"], ["resume", "--last", "And now?"], ["review", "--uncommitted"]):
        said = run_codex(tmp_path, gateway.base_url, key, "exec", "-m", model, *asked)
        assert said.code == 0, said
        ids += re.findall(r"session id: ([0-9a-f-]{36})", said.text)
    found = rows(gateway, key_id)
    assert [row["client"] for row in found] == ["codex"] * len(found)
    assert ids[0] == ids[1] != ids[2]
    first, review = ([row for row in found if row["session"]["id"] == each] for each in (ids[0], ids[2]))
    assert len(first) + len(review) == len(found)
    assert [row["session"] for row in first] == [{"id": ids[0], "class": "main"}] * len(first)
    for row in review:
        assert (row["session"]["class"], row["session"]["agent"] in ids) == ("subagent", False)
    for session, own in ((ids[0], first), (ids[2], review)):
        bill = eventually(partial(counted, gateway, key_id, session, len(own)))
        assert round(bill["cost"] * 1_000_000) == sum(row["actual"] for row in own) > 0
        assert set(bill["by_class"]) == {row["session"]["class"] for row in own}
        assert set(bill["by_agent"]) == {row["session"].get("agent", "-") for row in own}


def counted(gateway: Live, key_id: str, session: str, requests: int) -> dict[str, Any] | None:
    """A session's bill, after it counts this many requests."""
    reply = gateway.admin("GET", f"/usage/sessions/{session}?key={key_id}")
    if reply.status != 200 or reply.body["requests"] < requests:
        return None
    found: dict[str, Any] = reply.body
    assert found["requests"] == requests
    return found
