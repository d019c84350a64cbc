"""The demo model of `make run`: what it says back."""

import json
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest

from tools.local.demo import serving

REMINDER = "<system-reminder>\nAttribution for git commits ...\n</system-reminder>"


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
    with serving() as url:
        connection = HTTPConnection(urlsplit(url).netloc, timeout=30)
        connection.request("POST", "/model/nova/converse", json.dumps(body))
        answer = json.loads(connection.getresponse().read())
        connection.close()
    assert answer["output"]["message"]["content"] == [{"text": f"This is the local demo model. You said: {said}"}]
