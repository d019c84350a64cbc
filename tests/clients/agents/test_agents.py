"""Claude Code, Codex and other agents: their requests are answered and billed, and they report failures to users."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.clients.agents.agent import SECRET, Said, claude_code, cline, codex, continue_cli, notes, opencode
from tests.clients.rows import billed, rows
from tests.deployed import NATIVE
from tests.integration.conftest import Live
from tests.upstream import Seen, Steer
from tests.upstream.obliging import tool_results

QUESTION = "When does the door open? It says so in notes.txt."


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent with its own home, and the model that it asks. `reading` is its tool that reads a file, by name and
    arguments, in which PATH is replaced by the file's path; `broke` and `unknown` are the agent's own words."""

    start: Callable[[Path, str, str, str, str], Said]
    folder: Path
    model: str
    reading: tuple[str, str]
    wrong_key: str
    broke: str
    unknown: str

    def ask(self, gateway: Live, key: str, prompt: str = QUESTION, model: str | None = None) -> Said:
        return self.start(self.folder, gateway.base_url, key, model or self.model, prompt)

    def reads(self) -> Steer:
        name, arguments = self.reading
        return Steer(tool=name, arguments=arguments.replace("PATH", notes(self.folder)))


CHEAP = "nova-lite"
_CLAUDE_CODE = ("Read", '{"file_path": "PATH"}')
_OPENCODE = ("read", '{"filePath": "PATH"}')
_CODEX = ("exec_command", '{"cmd": "cat PATH"}')
_CONTINUE = ("Read", '{"filepath": "PATH"}')
_CLINE = ("read_files", '{"files": [{"path": "PATH"}]}')
AGENTS = {
    "claude-code": (claude_code, "claude-opus-5-5", _CLAUDE_CODE),
    "claude-code, gpt": (claude_code, "gpt-4o", _CLAUDE_CODE),
    "codex, responses": (codex, NATIVE, _CODEX),
    "codex, chat": (codex, "gpt-4o", _CODEX),
    "codex, messages": (codex, "claude-sonnet", _CODEX),
    "codex, converse": (codex, CHEAP, _CODEX),
    "opencode, messages": (opencode, "claude-sonnet", _OPENCODE),
    "opencode, chat": (opencode, "gpt-4o", _OPENCODE),
    "continue, messages": (continue_cli, "claude-sonnet", _CONTINUE),
    "continue, chat": (continue_cli, "gpt-4o", _CONTINUE),
    "cline, chat": (cline, "gpt-4o", _CLINE),
    "cline, chat over messages": (cline, "claude-sonnet", _CLINE),
}
_OF_CLAUDE_CODE = (
    "Failed to authenticate. API Error: 401",
    "API Error: 402",
    "There's an issue with the selected model",
)
_OF_CODEX = ("unexpected status 401", "Quota exceeded", "The model 'no-such-model' does not exist")
_OF_OTHERS = ("The API key is unknown", "This call may cost", "The model 'no-such-model' does not exist")


@pytest.fixture(scope="session", params=list(AGENTS))
def agent(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Agent:
    start, model, reading = AGENTS[request.param]
    words = {claude_code: _OF_CLAUDE_CODE, codex: _OF_CODEX}.get(start, _OF_OTHERS)
    return Agent(start, tmp_path_factory.mktemp("agent"), model, reading, *words)


def turns(*steers: Steer) -> Callable[[Seen], Steer]:
    """The model's answer at each turn of the agent, and the answer to any other request, such as one for a title."""
    left = list(steers)

    def decide(seen: Seen) -> Steer:
        if not tools_of(seen):
            return Steer(text="A title")
        results = tool_results(seen.body)
        return left.pop(0) if left else Steer(text="It says: " + "; ".join(results))

    return decide


def test_a_question(gateway: Live, agent: Agent) -> None:
    key, key_id = gateway.new_key()
    gateway.fake.decide = turns(Steer(text="At nine."))
    said = agent.ask(gateway, key)
    assert (said.code, "At nine." in said.text) == (0, True), said
    found = rows(gateway, key_id)
    assert {row["state"] for row in found} == {"SETTLED"}
    assert billed(gateway, key_id, len(found))["cost"] > 0


def test_a_turn_with_a_tool(gateway: Live, agent: Agent) -> None:
    key, key_id = gateway.new_key()
    gateway.fake.decide = turns(agent.reads())
    said = agent.ask(gateway, key)
    assert (said.code, SECRET in said.text) == (0, True), said
    own = [seen for seen in gateway.fake.seen if tools_of(seen)]
    assert len(own) == 2  # the call of the tool, and the answer to its result
    assert len(rows(gateway, key_id)) == len(gateway.fake.seen)


def test_a_wrong_key(gateway: Live, agent: Agent) -> None:
    said = agent.ask(gateway, "sk-wrong")
    assert (said.code, agent.wrong_key in said.text) == (1, True), said
    assert gateway.fake.seen == []


def test_an_unknown_model(gateway: Live, agent: Agent) -> None:
    key, _ = gateway.new_key()
    said = agent.ask(gateway, key, model="no-such-model")
    assert (said.code, agent.unknown in said.text) == (1, True), said
    assert gateway.fake.seen == []


def test_a_budget_that_runs_out_in_mid_session(gateway: Live, agent: Agent) -> None:
    """The first turn costs far more than its hold, so the next one finds no budget left."""
    key, key_id = gateway.new_key(max_budget=0.5 if agent.model == CHEAP else 6)
    greedy = agent.reads()
    gateway.fake.decide = turns(Steer(tool=greedy.tool, arguments=greedy.arguments, cached=60_000_000))
    said = agent.ask(gateway, key)
    assert (said.code, agent.broke in said.text) == (1, True), said
    assert {row["state"] for row in rows(gateway, key_id)} == {"SETTLED"}


def test_a_provider_that_dies_in_mid_stream(gateway: Live, agent: Agent) -> None:
    """Claude Code repeats the request and gets the answer; the other agents report the failure. The output that came is
    billed each time."""
    key, key_id = gateway.new_key()
    gateway.fake.decide = turns(Steer(text="At nine, or so it seems.", reset="body", after=6), Steer(text="At ten."))
    said = agent.ask(gateway, key)
    told = "At ten." if agent.start is claude_code else "broke."
    assert told in said.text, said
    found = rows(gateway, key_id)
    assert len(found) == len(gateway.fake.seen)
    assert {row["state"] for row in found} == {"SETTLED"}
    assert len(found) == 1 or agent.start is not codex


def tools_of(seen: Seen) -> Sequence[Any]:
    tools: Sequence[Any] = seen.body.get("tools") or seen.body.get("toolConfig", {}).get("tools") or ()
    return tools
