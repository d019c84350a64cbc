"""aider, which calls no tools. It edits files according to the text of the answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients.agents.agent import aider, notes
from tests.clients.rows import rows
from tests.integration.conftest import Live
from tests.upstream import Steer

EDIT = """notes.txt
```
<<<<<<< SEARCH
The door opens at nine.
=======
The door opens at ten.
>>>>>>> REPLACE
```
"""


@pytest.mark.parametrize("model", ["gpt-4o", "claude-sonnet", "nova-lite"])
def test_an_edit(gateway: Live, tmp_path: Path, model: str) -> None:
    key, key_id = gateway.new_key()
    gateway.fake.decide = lambda _seen: Steer(text=EDIT)
    file = Path(notes(tmp_path))
    said = aider(tmp_path, gateway.base_url, key, model, "It opens at ten.", "--edit-format", "diff", str(file))
    assert (said.code, file.read_text(encoding="utf-8")) == (0, "The door opens at ten.\n"), said
    assert [row["state"] for row in rows(gateway, key_id)] == ["SETTLED"]


@pytest.mark.parametrize(
    ("key", "model", "words"),
    [("sk-wrong", "gpt-4o", "The API key is unknown"), ("", "no-such-model", "The model 'no-such-model' does not")],
)
def test_what_is_refused_is_told_once(gateway: Live, tmp_path: Path, key: str, model: str, words: str) -> None:
    said = aider(tmp_path, gateway.base_url, key or gateway.new_key()[0], model, "Hello?")
    told = " ".join(said.text.split())  # it breaks lines at the width of the terminal
    assert (told.count(words), "Retrying" in told) == (1, False), said
    assert gateway.fake.seen == []
