"""Fixtures that the tests of several rooms share."""

from tests.upstream.fixtures import fake

__all__ = ["fake"]
