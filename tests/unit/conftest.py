"""Fixtures that the tests of several rooms share."""

from tests.unit.servers import certified, serving
from tests.upstream.fixtures import fake

__all__ = ["certified", "fake", "serving"]
