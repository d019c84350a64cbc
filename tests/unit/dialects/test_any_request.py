"""Whatever a client sends, it is refused with a path before anything is sent, or Bedrock accepts it, and nothing of it
is lost silently."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.dialects.chat.schema import parse_chat, provider_body
from gateway.dialects.unsupported import Unsupported, named
from gateway.errors import BadRequest
from tests.unit.dialects.translating import HI, PIXEL, called, marked, result, tool, translated, used

TEXTS = st.sampled_from(["", " ", "\n\t", "a", "b ", " c", "é漢", "\u00a0", "\u2028", "x\x00"])
IDS = st.sampled_from(["c1", "c2", "call_9|fc_" + "x" * 85, "c 1", "c.1", "é", "_" * 64, "c1 "])
NAMES = st.sampled_from(["f", "g", "mcp.server/tool", "h" * 70, "é", "f ", "$"])
_TTLS: list[dict[str, Any]] = [{}, {"ttl": "5m"}, {"ttl": "1h"}]
CONTROLS = st.sampled_from([None] * 12 + [{"type": "ephemeral", **ttl} for ttl in (*_TTLS * 4, {"ttl": "2h"})])
_SOUND = ["{}", "", " ", '{"a": 1}', '{"a": NaN, "b": [Infinity, -Infinity, 1e999]}']
ARGUMENTS = st.sampled_from([*_SOUND * 4, "{broken", "[1]"])
_IMAGES = [
    f"data:image/png;base64,{PIXEL}",
    f"data:image/PNG;base64,{PIXEL}",
    f"DATA:image/jpg;charset=utf-8;Base64,{PIXEL}",
    f"data:image/webp;base64,{PIXEL.rstrip('=')}",
]
_NO_IMAGES = [
    "data:image/png;base64,",
    "data:image/png;base64,no base64",
    "data:image/png,abc",
    "data:image/tiff;base64,AAAA",
    "https://example.com/a.png",
    "",
]
URLS = st.sampled_from([*_IMAGES * 8, *_NO_IMAGES])
_FILES = [
    {"filename": "a report (v2).pdf", "file_data": "data:application/pdf;base64,JVBERi0="},
    {"filename": "b.csv", "file_data": "data:text/csv;base64,YSxi"},
    {"filename": "b.csv", "file_data": "data:text/csv;base64,YSxj"},
    {"filename": "c.md", "file_data": "data:;base64,YSxj"},
    {"filename": "..//\n漢.txt", "file_data": "data:text/plain;base64,YSxj"},
]
FILES = st.sampled_from([*_FILES * 3, {"file_data": "data:application/zip;base64,YSxj"}, {"file_id": "file-1"}, {}])


def _with_control(part: dict[str, Any], control: Any) -> dict[str, Any]:
    return part if control is None else part | {"cache_control": control}


def _text(text: str, control: Any) -> dict[str, Any]:
    return _with_control({"type": "text", "text": text}, control)


def _image(url: str, control: Any) -> dict[str, Any]:
    return _with_control({"type": "image_url", "image_url": {"url": url}}, control)


def _says(role: str, content: Any, odd: dict[str, Any]) -> dict[str, Any]:
    return {"role": role, "content": content, **odd}


def _calls(calls: list[Any], content: Any, odd: dict[str, Any]) -> dict[str, Any]:
    return called(*calls, **{"content": content, **odd})


def _results(id: str, content: Any, odd: dict[str, Any]) -> dict[str, Any]:
    return result(id, content, **odd)


_TEXT_PARTS = st.builds(_text, TEXTS, CONTROLS) | st.just({"type": "refusal", "refusal": "no"})
_FILE_PARTS = st.builds(lambda file: {"type": "file", "file": file}, FILES)
PARTS = st.one_of(_TEXT_PARTS, _TEXT_PARTS, st.builds(_image, URLS, CONTROLS), _FILE_PARTS)
WORDS = st.one_of(st.none(), TEXTS, st.lists(_TEXT_PARTS, max_size=4))
CONTENTS = st.one_of(st.none(), TEXTS, st.lists(PARTS, max_size=4))
CALLS = st.builds(used, IDS, NAMES, ARGUMENTS)
THOUGHTS = st.sampled_from(
    [
        {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
        {"type": "thinking", "thinking": "hm", "signature": ""},
        {"type": "thinking", "thinking": "hm"},
        {"type": "redacted_thinking", "data": "c2VjcmV0"},
    ]
)
ODDITIES: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "name": st.just("bob"),
        "x_new": st.just({"a": 1}),
        "annotations": st.just([]),
        "cache_control": CONTROLS.filter(bool),
        "refusal": st.sampled_from([None, "", " ", "no"]),
        "reasoning_content": st.just("hm"),
        "thinking_blocks": st.lists(THOUGHTS, max_size=2),
    },
)
_SYSTEM = st.sampled_from(["system", "developer"])
_USER = st.sampled_from(["user"] * 20 + ["function"])
MESSAGES = st.one_of(
    st.builds(_says, _SYSTEM, WORDS, ODDITIES),
    st.builds(_says, _USER, CONTENTS, ODDITIES),
    st.builds(_says, st.just("assistant"), WORDS, ODDITIES),
    st.builds(_calls, st.lists(CALLS, max_size=3), WORDS, ODDITIES),
    st.builds(_results, IDS, CONTENTS, ODDITIES),
    st.builds(_results, IDS, CONTENTS, ODDITIES),
)
_OBJECTS: list[Any] = [None, {}, {"type": "object"}, {"properties": {}}, {"type": None}, {"type": ["object", "null"]}]
SCHEMAS: st.SearchStrategy[Any] = st.sampled_from(
    [
        *[None, {}, {"type": "object"}, {"properties": {}}, {"type": None}, {"type": ["object", "null"]}] * 4,
        {"type": "x"},
    ]
)
TOOLS = st.builds(
    lambda name, schema, description, strict, control: _with_control(
        tool(name, parameters=schema, description=description, strict=strict), control
    ),
    NAMES, SCHEMAS, st.sampled_from([None, "", " ", "what"]), st.sampled_from([None, True, False]), CONTROLS,
)  # fmt: skip
FIELDS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "tools": st.lists(TOOLS, max_size=4),
        "tool_choice": st.sampled_from(["auto", "none", "required", {"type": "function", "function": {"name": "f"}}]),
        "parallel_tool_calls": st.booleans(),
        "temperature": st.sampled_from([0, 0.5, 1, 1.5, 2]),
        "top_p": st.sampled_from([0, 1]),
        "stop": st.sampled_from(["", " ", "END", ["\n", "a", ""], []]),
        "n": st.sampled_from([1] * 9 + [2]),
        "seed": st.just(7),
        "user": st.just("u"),
        "frequency_penalty": st.sampled_from([0, 0.5]),
        "logit_bias": st.sampled_from([*[{}] * 9, {"1": 5}]),
        "reasoning_effort": st.sampled_from(["low"] * 9 + ["x" * 20]),
        "thinking": st.just({"type": "enabled", "budget_tokens": 1_024}),
        "service_tier": st.sampled_from(["auto", "flex"] * 5 + ["x"]),
        "response_format": st.sampled_from(
            [
                {"type": "text"},
                {"type": "json_object"},
                {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": False}},
            ]
        ),
    },
)


@settings(max_examples=400, deadline=None)
@given(st.lists(MESSAGES, min_size=1, max_size=7), FIELDS, st.booleans())
@example([HI, called(used()), result(), {"role": "assistant", "content": " "}], {}, False)
@example([{"role": "assistant", "content": "hi "}], {}, False)
@example([{"role": "system", "content": "be"}], {"response_format": {"type": "json_object"}}, False)
@example([HI, result(content=""), {"role": "assistant", "content": "x"}], {"tools": [tool()]}, True)
@example([{"role": "user", "content": [marked("", "1h"), marked("a"), marked("b", "1h")]}], {}, True)
def test_a_request_is_refused_by_its_path_or_taken(messages: list[Any], fields: dict[str, Any], one_tool: bool) -> None:
    body = {"model": "m", "messages": messages, **fields}
    refused: str | None = None
    dropped: list[str] = []
    try:
        parse_chat(body)
        dropped = translated(provider_body(body), one_tool=one_tool).dropped
    except (Unsupported, BadRequest) as refusal:
        refused = refusal.param or "no path"
    for path in dropped if refused is None else [refused]:
        assert path.partition("[")[0].partition(".")[0] in body, path


def _leaves(value: Any, where: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _leaves(each, f"{where}.{name}".lstrip("."))
    elif isinstance(value, list):
        for at, each in enumerate(value):
            yield from _leaves(each, f"{where}[{at}]")
    else:
        yield where, value


# A request that uses everything that chat can express for Bedrock. Each text in it is different.
WHOLE: dict[str, Any] = {
    "messages": [
        {"role": "system", "content": "text-1"},
        {"role": "user", "content": [{"type": "text", "text": "text-2"}, {"type": "refusal", "refusal": "text-3"}]},
        called(
            used("id-1", "name-1", '{"argument-1": "argument-2"}'),
            content="text-4",
            thinking_blocks=[{"type": "thinking", "thinking": "text-5", "signature": "text-6"}],
        ),
        result("id-1", [{"type": "text", "text": "text-7"}]),
        {"role": "assistant", "content": "text-8", "refusal": "text-9"},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,aW1hZ2U="}}]},
    ],
    "tools": [tool("name-1", description="text-10", parameters={"type": "object", "title": "text-11"})],
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "text-12", "description": "text-13", "schema": {"title": "text-14"}},
    },
    "stop": ["text-15"],
    "reasoning_effort": "effort-1",
}
_SAID = ("text-", "id-", "name-", "argument-", "effort-")


def test_whatever_is_said_arrives() -> None:
    sent = json.dumps(translated(WHOLE).body)
    for where, leaf in _leaves(WHOLE):
        if isinstance(leaf, str) and leaf.startswith(_SAID):
            assert leaf in sent, where
    assert "aW1hZ2U=" in sent


def _objects(value: Any, where: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(value, dict):
        yield where, value
    for name, each in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        step = f"[{name}]" if isinstance(name, int) else f".{name}"
        yield from _objects(each, f"{where}{step}".lstrip("."))


def test_a_member_that_nobody_knows_is_named_wherever_it_stands() -> None:
    places = [
        where for where, _ in _objects(WHOLE) if where and "schema." not in f"{where}." and "parameters" not in where
    ]
    assert len(places) > 15
    for place in places:
        body = json.loads(json.dumps(WHOLE))
        dict(_objects(body))[place]["x_new"] = "unheard"
        found = translated(body)
        if "unheard" not in json.dumps(found.body):
            assert f"{place}.x_new" in found.dropped, place


def test_what_says_nothing_is_not_named() -> None:
    ours: dict[str, Any] = {
        "role": "assistant",
        "content": "",
        "refusal": None,
        "annotations": [],
        "audio": None,
        "tool_calls": None,
    }
    found = translated({"messages": [HI, ours, HI], "n": 1, "store": False, "logit_bias": {}, "presence_penalty": 0})
    assert found.dropped == []
    assert len(found.body["messages"]) == 1


def test_a_header_of_names_is_short_and_safe() -> None:
    paths = [f"messages[{number}].\r\nset-cookie: é{'x' * 300}" for number in range(50)]
    found = named([*paths, *paths])
    assert len(found) == 21
    assert found[-1] == "+30"
    assert all(len(each) <= 96 and each.isascii() and each.isprintable() and " " not in each for each in found)
