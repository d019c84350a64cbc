"""The demo model of `make run`: what it says back, and the vectors of its embeddings."""

import json
from collections.abc import Mapping
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import pytest

from tools.local.demo import serving

REMINDER = "<system-reminder>\nAttribution for git commits ...\n</system-reminder>"


def asked(operation: str, body: dict[str, Any]) -> tuple[dict[str, Any], Mapping[str, str]]:
    """The demo model's answer, and its headers."""
    with serving() as url:
        connection = HTTPConnection(urlsplit(url).netloc, timeout=30)
        connection.request("POST", f"/model/{operation}", json.dumps(body))
        reply = connection.getresponse()
        answer, headers = json.loads(reply.read()), dict(reply.getheaders())
        connection.close()
    return answer, headers


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (["Hello!"], "Hello!"),
        (["Hello,", "you!"], "Hello, you!"),
        ([REMINDER, "Hello!"], "Hello!"),
        (["Hello!", REMINDER], "Hello!"),
        (["<b>Hello!</b>"], "<b>Hello!</b>"),
    ],
)
def test_it_says_back_what_a_person_asked(parts: list[str], said: str) -> None:
    body = {"messages": [{"role": "user", "content": [{"text": part} for part in parts]}]}
    answer, _ = asked("nova/converse", body)
    assert answer["output"]["message"]["content"] == [{"text": f"This is the local demo model. You said: {said}"}]


def nearness(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def test_texts_that_share_words_have_vectors_that_are_near() -> None:
    texts = ["red wine from Italy", "Italy makes red wine", "a fast bicycle", ""]
    answer, headers = asked("us.cohere.embed-v4%3A0/invoke", {"texts": texts, "output_dimension": 512})
    wine, other_wine, bicycle, empty = answer["embeddings"]["float"]
    assert {len(wine), len(bicycle), len(empty)} == {512}
    assert nearness(wine, other_wine) > 0.7 > 0.2 > nearness(wine, bicycle)
    assert nearness(empty, empty) == pytest.approx(1, abs=1e-4)
    assert int(headers["x-amzn-bedrock-input-token-count"]) > 0


@pytest.mark.parametrize(
    ("body", "length"), [({}, 1_024), ({"dimensions": 256}, 256)], ids=["usual", "as many as were asked for"]
)
def test_titan_s_format_is_answered(body: dict[str, int], length: int) -> None:
    answer, _ = asked("amazon.titan-embed-text-v2%3A0/invoke", {"inputText": "red wine", **body})
    assert len(answer["embedding"]) == length
    assert answer["inputTextTokenCount"] == 2
