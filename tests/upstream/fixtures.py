"""The pytest fixture. A suite gets it with `from tests.upstream.fixtures import fake` in its conftest.py."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.upstream.server import FakeUpstream


@pytest.fixture
def fake() -> Iterator[FakeUpstream]:
    """A fake upstream for this test."""
    with FakeUpstream() as upstream:
        yield upstream
