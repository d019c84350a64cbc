"""Behaviour that only Codex has: it reacts to the end of a stream, and reads a list of models in its own shape."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clients.agents.agent import SECRET, codex, notes, run_codex
from tests.clients.rows import rows
from tests.deployed import RESPONSES
from tests.integration.conftest import Live
from tests.upstream import Seen, Steer

QUESTION = "When does the door open? It says so in notes.txt."
TOO_LONG = Steer(status=400, code="context_length_exceeded", message="This model's maximum context length is 128000.")
every_model = pytest.mark.parametrize("model", RESPONSES)


def in_turn(*steers: Steer) -> Callable[[Seen], Steer]:
    left = list(steers)
    return lambda _seen: left.pop(0) if left else Steer(text="That was all.")


def reads(folder: Path, cached: int = 0) -> Steer:
    return Steer(tool="exec_command", arguments=json.dumps({"cmd": f"cat {notes(folder)}"}), cached=cached)


def test_its_own_parser_takes_the_list_of_models(gateway: Live, tmp_path: Path) -> None:
    key, _ = gateway.new_key()
    everything = gateway.call("GET", "/v1/models", None, {"authorization": f"Bearer {key}"}).body["data"]
    listed = [each for each in everything if not {"embeddings", "titan", "cohere"} & set(each["dialects"])]
    said = run_codex(tmp_path, gateway.base_url, key, "debug", "models")
    found = {each["slug"]: each for each in json.loads(said.out)["models"]}
    for each in listed:
        shown = found[each["id"]]
        assert shown.get("context_window") == each["context_window"]
        assert [level["effort"] for level in shown["supported_reasoning_levels"]] == (
            ["low", "medium", "high"] if "reasoning" in each["capabilities"] else []
        )
        assert ("image" in shown["input_modalities"]) == ("images" in each["capabilities"])
    ours = [each["id"] for each in listed]
    assert [each["slug"] for each in sorted(found.values(), key=lambda each: each["priority"])][: len(ours)] == ours
    # Codex still lists its own models; if it could not read the gateway's list, it would list only those
    assert set(found) - set(ours)


def test_a_limit_is_waited_for_as_long_as_it_says(gateway: Live, tmp_path: Path) -> None:
    """The wait is at most ten seconds. Without the header, Codex would first wait 0.2 s and be refused more than
    once."""
    key, key_id = gateway.new_key(rpm_limit=6)
    while gateway.complete(key).status == 200:
        pass
    gateway.fake.reset()
    before = len(rows(gateway, key_id))
    gateway.fake.decide = in_turn(Steer(text="At nine."))
    said = codex(tmp_path, gateway.base_url, key, "gpt-4o", QUESTION)
    assert (said.code, said.out) == (0, "At nine.\n"), said
    assert "Reconnecting... 1/5" in said.text
    assert "Reconnecting... 2/5" not in said.text
    assert len(rows(gateway, key_id)) == before + 1 == before + len(gateway.fake.seen)


@every_model
def test_a_context_that_fills_up_is_compacted_by_the_window_of_the_list(
    gateway: Live, tmp_path: Path, model: str
) -> None:
    """After each turn that comes near the window, Codex asks for a summary, without tools."""
    key, key_id = gateway.new_key()
    headers = {"authorization": f"Bearer {key}"}
    window = gateway.call("GET", f"/v1/models/{model}", None, headers).body["context_window"]
    gateway.fake.decide = in_turn(reads(tmp_path, cached=window), Steer(text="It opens at nine."), Steer(text="Nine."))
    said = codex(tmp_path, gateway.base_url, key, model, QUESTION)
    assert (said.code, said.out, SECRET in said.text) == (0, "Nine.\n", True), said
    first, summary, last = gateway.fake.seen
    assert [bool(seen.body.get("tools") or seen.body.get("toolConfig")) for seen in (first, last)] == [True, True]
    assert not summary.body.get("tools")
    assert "It opens at nine." in json.dumps(last.body)
    assert len(json.dumps(last.body)) < len(json.dumps(first.body)) + 3_000
    found = rows(gateway, key_id)
    assert [row["state"] for row in found] == ["SETTLED"] * 3
    assert [row["session"]["class"] for row in found] == ["main", "compaction", "main"]


def test_a_prompt_that_is_too_long_ends_the_turn_and_the_next_begins_by_compacting(
    gateway: Live, tmp_path: Path
) -> None:
    key, key_id = gateway.new_key()
    gateway.fake.decide = in_turn(reads(tmp_path), TOO_LONG, Steer(text="It opens at nine."), Steer(text="Nine."))
    said = codex(tmp_path, gateway.base_url, key, "gpt-4o", QUESTION)
    assert (said.code, "ran out of room in the model's context window" in said.text) == (1, True), said
    assert len(gateway.fake.seen) == 2  # it was sent once and not again
    said = run_codex(tmp_path, gateway.base_url, key, "exec", "-m", "gpt-4o", "resume", "--last", "And now?")
    assert (said.code, said.out) == (0, "Nine.\n"), said
    assert "tools" not in gateway.fake.seen[2].body
    assert [row["actual"] > 0 for row in rows(gateway, key_id)] == [True, False, True, True]
