"""Cache marks that the gateway sets, in prompts of clients whose format has no marks."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.dialects.pairs import pair
from gateway.dialects.written import Asked
from gateway.models.caching import MarkRule, marks_for
from gateway.models.money import Price
from tests.unit.dialects.responses_sent import Marked, MarkedForAnHour, to_converse, to_messages
from tests.unit.dialects.table_responses import CALL, DONE, FUNCTION, SIGNED, TRIALS, loop, said
from tests.upstream import converse_judge, messages_judge

CLAUDE = "anthropic/claude-sonnet-4-5"
PRICE = Price(input=3, output=15, cached=1, cache_write=4, cache_write_1h=6, capabilities=("caching",))
KEY: dict[str, Any] = {"prompt_cache_key": "k"}
LONG: dict[str, Any] = {"prompt_cache_retention": "24h"}
EXPLICIT: dict[str, Any] = {"prompt_cache_options": {"mode": "explicit"}}


def marked(sent: dict[str, Any]) -> list[str]:
    """Where a body for either endpoint is marked: the tools, the system's text, and turns by their number."""
    tools = sent.get("tools") or sent.get("toolConfig", {}).get("tools", [])
    homes = {"tools": tools, "system": sent.get("system", [])}
    homes |= {str(at): turn["content"] for at, turn in enumerate(sent["messages"])}
    found = [
        (where, at == len(home) - 1)
        for where, home in homes.items()
        for at, block in enumerate(home)
        if "cachePoint" in block or "cache_control" in block
    ]
    assert all(last for _, last in found), "behind all of it"
    return [where for where, _ in found]


@pytest.mark.parametrize("to", [to_messages, to_converse])
@pytest.mark.parametrize("form", [Marked, MarkedForAnHour])
def test_they_stand_behind_what_the_next_request_has_too(to: Any, form: type[Marked]) -> None:
    one = to(form(said(instructions="Be brief.", tools=[FUNCTION], **KEY)))
    assert (marked(one.body), one.dropped) == (["system", "0"], [])
    loops = to(form(loop(instructions="Be brief.", **KEY)))
    assert marked(loops.body) == ["system", "0", "2"], "what the user said, the call, and what the tool said"
    third = to(form(said(input=[{"role": "user", "content": "a"}, CALL, DONE, {"role": "user", "content": "b"}])))
    assert marked(third.body) == ["0", "2"]
    assert marked(to(form(said(tools=[FUNCTION], **KEY))).body) == ["tools", "0"]
    assert ("1h" in json.dumps(one.body)) is (form is MarkedForAnHour)


@pytest.mark.parametrize("to", [to_messages, to_converse])
def test_without_them_nothing_is_marked_and_the_words_for_a_cache_are_named(to: Any) -> None:
    sent = to(said(**KEY, prompt_cache_options={"mode": "implicit"}))
    assert (marked(sent.body), set(sent.dropped)) == ([], {"prompt_cache_key", "prompt_cache_options"})


@pytest.mark.parametrize("native", ["messages", "converse"])
def test_a_client_s_own_marks_are_all_that_there_are(native: str) -> None:
    part = {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}
    messages = [{"role": "user", "content": [part]}, {"role": "user", "content": "b"}, *_turns(8)]
    asked = Asked({"messages": messages, **KEY}, "m", 9, marks="5m")
    written = pair("chat", native).request(asked).body
    assert json.dumps(written).count("cachePoint") + json.dumps(written).count("cache_control") == 1


def _turns(most: int) -> list[dict[str, Any]]:
    return [{"role": ("assistant", "user")[at % 2], "content": str(at)} for at in range(most)]


@pytest.mark.parametrize("native", ["messages", "converse"])
@pytest.mark.parametrize("most", [1, 2, 3, 9])
def test_chat_is_marked_alike(native: str, most: int) -> None:
    messages = [{"role": "system", "content": "Be brief."}, *_turns(2 * most)[1:]]
    body = pair("chat", native).request(Asked({"messages": messages, **KEY}, "m", 9, marks="5m")).body
    judge = messages_judge if native == "messages" else converse_judge
    assert judge.faults(body) == []
    assert marked(body) == ["system", *[str(at) for at in range(0, 2 * most - 1, 2)][-2:]]


@pytest.mark.parametrize("to", [to_messages, to_converse])
@pytest.mark.parametrize("row", TRIALS)
def test_whatever_is_asked_is_taken_with_them_too(row: str, to: Any) -> None:
    """The judges of the endpoints decide this, inside `to`."""
    word = "Messages" if to is to_messages else "Converse"
    for body, fates in TRIALS[row]:
        if word in fates and fates[word].word != "refused":
            to(Marked(body))


def test_reasoning_stays_unmarked() -> None:
    sent = to_messages(Marked(loop(SIGNED, reasoning={"effort": "high"}, **KEY)))
    assert marked(sent.body) == ["tools", "0", "2"]


@pytest.mark.parametrize(
    ("body", "rule", "expected"),
    [
        (KEY, "asked", "5m"),
        ({"prompt_cache_retention": "in_memory"}, "asked", "5m"),
        (LONG, "asked", "1h"),
        ({"prompt_cache_options": {"mode": "implicit"}}, "asked", "5m"),
        ({}, "asked", ""),
        ({"prompt_cache_key": ""}, "asked", ""),
        ({**KEY, **EXPLICIT}, "asked", ""),
        ({}, "always", "5m"),
        (EXPLICIT, "always", ""),
        (LONG, "always", "1h"),
        ({**KEY, **LONG}, "never", ""),
    ],
)
def test_who_gets_them(body: dict[str, Any], rule: MarkRule, expected: str) -> None:
    for dialect in ("chat", "responses"):
        assert marks_for(body, dialect, CLAUDE, PRICE, rule) == expected
    assert marks_for(body, "messages", CLAUDE, PRICE, rule) == "", "it has a word for them"


def test_only_where_they_are_known_and_priced() -> None:
    both = {**KEY, **LONG}
    assert marks_for(both, "chat", "openai/gpt-4o", PRICE, "always") == ""
    assert marks_for(both, "chat", CLAUDE, replace(PRICE, cache_write=None), "always") == ""
    assert marks_for(both, "chat", CLAUDE, replace(PRICE, capabilities=()), "always") == ""
    assert marks_for(both, "chat", CLAUDE, replace(PRICE, cache_write_1h=None), "always") == "5m"
