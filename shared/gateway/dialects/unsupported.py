"""What one dialect can't say in another."""

from __future__ import annotations


class Unsupported(Exception):
    """This request can't be expressed; `param` names the field, the message is in our own words."""

    def __init__(self, param: str, message: str) -> None:
        super().__init__(message)
        self.param = param
