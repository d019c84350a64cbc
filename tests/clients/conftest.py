"""Published clients, against a gateway that is started for them.

The fake upstream does what a request asks for (`tests/upstream/obliging.py`), so that the clients' own suites run
unchanged.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.deployed import NATIVE, deployed
from tests.integration.conftest import Live
from tests.integration.waiting import eventually
from tests.upstream.obliging import oblige

collect_ignore = ["frameworks", "llamaindex"]  # in separate venvs, by test_frameworks.py
HEAVY = {"agents", "webui"}  # run by `make agents`, not by CI


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "clients" in item.path.parts:
            item.add_marker(pytest.mark.agents if HEAVY & set(item.path.parts) else pytest.mark.clients)


@pytest.fixture(scope="session")
def live() -> Iterator[Live]:
    with deployed() as live:
        native = {"target": "openai/gpt-4o", "endpoint": "responses"}
        assert live.admin("POST", "/config", {"models": {NATIVE: native}}).status == 200
        key = {"authorization": f"Bearer {live.new_key()[0]}"}
        eventually(lambda: live.call("GET", f"/v1/models/{NATIVE}", None, key).status == 200)
        yield live


@pytest.fixture
def gateway(live: Live) -> Iterator[Live]:
    live.fake.reset()
    live.fake.decide = oblige
    yield replace(live)
    live.fake.reset()
    assert live.admin("POST", "/circuit-breakers", {"action": "reset"}).status == 200
