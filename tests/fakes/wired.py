"""Puts a gateway of fakes where the functions look for theirs."""

from __future__ import annotations

from typing import Any

from gateway import wiring
from gateway.wiring import Gateway


def wired(**things: Any) -> Gateway:
    """Makes this process's gateway again and replaces these parts of it: `database=DownDatabase()`."""
    wiring.reset()
    made = wiring.gateway()
    for name, thing in things.items():
        assert hasattr(Gateway, name), f"a gateway has no {name}"
        setattr(made, name, thing)
    return made
