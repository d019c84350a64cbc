"""The pytest fixture; a suite takes it by `from tests.upstream.fixtures import fake` in its conftest.py."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.upstream.server import FakeUpstream


@pytest.fixture
def fake() -> Iterator[FakeUpstream]:
    """A fake upstream of this test's own."""
    with FakeUpstream() as upstream:
        yield upstream
