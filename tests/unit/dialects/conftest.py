from __future__ import annotations

from tests.unit.vendors.conftest import bedrock
from tests.upstream.fixtures import fake

__all__ = ["bedrock", "fake"]
