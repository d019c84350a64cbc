"""The streaming door as on AWS: the real adapter between a REST API that streams and the app."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.adapter.rest_api import RestApi
from tests.adapter.runtime_api import RuntimeApi


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "adapter" in item.path.parts:
            item.add_marker(pytest.mark.adapter)


@pytest.fixture
def runtime() -> Iterator[RuntimeApi]:
    with RuntimeApi() as runtime:
        yield runtime


@pytest.fixture
def rest(runtime: RuntimeApi) -> Iterator[RestApi]:
    with RestApi(runtime) as rest:
        yield rest
