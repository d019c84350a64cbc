"""A provider that exists only as a config entry, in a real deployment: a second OpenAI-compatible host, called with the
SDK."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.integration.conftest import ANOTHER_KEY, Live
from tests.integration.waiting import eventually
from tests.upstream import FakeUpstream

TARGET = "another/big-model"
ENTRY: dict[str, Any] = {
    "models": {"big": {"target": TARGET}},
    "prices": {TARGET: {"input": 2, "output": 8}},
}
GONE = {"vendors": {"another": None}, "models": {"big": None}, "prices": {TARGET: None}}


@pytest.fixture
def host(gateway: Live) -> Iterator[FakeUpstream]:
    with FakeUpstream() as fake:
        yield fake
        assert gateway.admin("POST", "/config", GONE).status == 200


def test_a_host_is_added_called_billed_and_removed(gateway: Live, host: FakeUpstream) -> None:
    key, key_id = gateway.new_key()
    entry = {"baseUrl": host.openai_url, "secret": "another"}
    refused = gateway.admin("POST", "/config", ENTRY)
    assert (refused.status, refused.body["error"]["param"]) == (400, f"prices.{TARGET}")
    assert gateway.admin("POST", "/config", ENTRY | {"vendors": {"another": entry}}).status == 200
    asked: Any = [{"role": "user", "content": "[[fake text=hello]]"}]
    with openai.OpenAI(base_url=gateway.url("/v1/"), api_key=key, max_retries=0) as sdk:

        def answered() -> Any:
            try:
                return sdk.chat.completions.create(model="big", messages=asked)
            except openai.NotFoundError:  # containers read the config every ten seconds
                return None

        answer = eventually(answered)
        assert "big" in {model.id for model in sdk.models.list()}
    assert answer.choices[0].message.content == "hello"
    assert answer.usage.model_extra["cost"] > 0
    assert host.seen[-1].headers["authorization"] == f"Bearer {ANOTHER_KEY}"
    assert host.seen[-1].body["model"] == "big-model"
    report = eventually(lambda: gateway.admin("GET", f"/usage?group_by=provider&key={key_id}").body["data"])
    assert [row["provider"] for row in report] == ["another"]
    still = gateway.admin("POST", "/config", {"vendors": {"another": None}})
    assert (still.status, still.body["error"]["param"]) == (400, f"prices.{TARGET}")
