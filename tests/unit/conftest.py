"""What the rooms' tests share."""

from tests.upstream.fixtures import fake

__all__ = ["fake"]
