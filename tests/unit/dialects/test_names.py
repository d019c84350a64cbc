"""Names and ids that Converse does not accept: their aliases are the same each time, and lead back to them."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.names import Ids, Names
from gateway.vendors.base import Provider
from tests.unit.dialects.translating import HI, called, result, tool, translated, used
from tests.unit.vendors.asking import ask, call
from tests.upstream import FakeUpstream, Steer

FITS = re.compile(r"[a-zA-Z0-9_-]{1,64}")
TEXTS = st.text(min_size=1, max_size=90) | st.sampled_from(["a", "a.b", "a_b", "c1"])
ODD = "call_Zq|fc_" + "0" * 85


@given(st.lists(TEXTS, max_size=6))
def test_names_are_each_its_own_and_lead_back(given_names: list[str]) -> None:
    names = Names(given_names)
    sent = {name: names.of(name) for name in given_names}
    assert len(set(sent.values())) == len(sent)
    for name, alias in sent.items():
        assert FITS.fullmatch(alias)
        assert names.originals.get(alias, alias) == name
        assert (alias == name) == bool(FITS.fullmatch(name))
    assert {name: Names(reversed(given_names)).of(name) for name in given_names} == sent or len(given_names) > 1


@given(st.lists(TEXTS, max_size=6), TEXTS)
def test_ids_are_each_its_own_and_stay_when_the_history_grows(history: list[str], more: str) -> None:
    first, second = Ids(), Ids()
    sent = [first.next(id) for id in history]
    assert [second.next(id) for id in (*history, more)][:-1] == sent
    assert len(set(sent)) == len(sent)
    assert all(FITS.fullmatch(id) for id in sent)


def test_an_alias_that_is_taken_is_no_alias() -> None:
    odd, alias = "a b", Names(["a b"]).of("a b")
    names = Names([odd, alias])
    assert names.of(alias) == alias
    assert names.of(odd) not in (alias, odd)
    ids = Ids()
    assert len({ids.next(odd), ids.next(alias), ids.next(odd)}) == 3


def test_calls_of_one_id_keep_their_own_results() -> None:
    """Some clients number calls from the start in each turn, or give all calls the same id."""
    history = [
        called(used("c"), used("c")),
        result("c", "one"),
        result("c", "two"),
        called(used("c")),
        result("c", "three"),
    ]
    turns = translated({"messages": [HI, *history], "tools": [tool()]}).body["messages"]
    calls = [block["toolUse"]["toolUseId"] for turn in (turns[1], turns[3]) for block in turn["content"]]
    results = [block["toolResult"] for turn in (turns[2], turns[4]) for block in turn["content"]]
    assert calls == [each["toolUseId"] for each in results]
    assert calls[0] == "c"
    assert [each["content"][0]["text"] for each in results] == ["one", "two", "three"]


def test_a_tool_of_an_odd_name_there_and_back(fake: FakeUpstream, bedrock: Provider) -> None:
    name = "mcp.server/weather"
    asked: dict[str, Any] = {"messages": [HI], "tools": [tool(name)]}
    alias = translated(asked).body["toolConfig"]["tools"][0]["toolSpec"]["name"]
    fake.script(Steer(tool=alias))
    message = ask(bedrock, call(**asked)).body["choices"][0]["message"]
    (used_now,) = message["tool_calls"]
    assert used_now["function"]["name"] == name
    answered = [HI, message, result(used_now["id"])]
    ask(bedrock, call(messages=answered, tools=asked["tools"]))
    assert fake.seen[1].body["messages"][1]["content"][0]["toolUse"]["name"] == alias


def test_an_odd_id_is_the_same_in_each_turn() -> None:
    history = [HI, called(used(ODD)), result(ODD)]
    first = translated({"messages": history, "tools": [tool()]}).body["messages"]
    later = [*history, {"role": "assistant", "content": "a"}, HI]
    assert translated({"messages": later, "tools": [tool()]}).body["messages"][:2] == first[:2]
    assert first[2]["content"][0]["toolResult"]["toolUseId"] == first[1]["content"][0]["toolUse"]["toolUseId"] != ODD
