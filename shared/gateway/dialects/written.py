"""What a dialect's writer gives: a request as it leaves, and what is needed to read what comes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Part(NamedTuple):
    """One of several requests that a request leaves in; `most` are the tokens that its prompt has at most."""

    body: dict[str, Any]
    most: int


@dataclass(frozen=True, slots=True)
class Written:
    """A request as it leaves. `dropped`: paths of what it does not say. `names`: tools' names as the answer will have
    them, to those that the client knows, where they differ. `turns` and `system`: where each block came from; `paths`:
    what the client calls the neutral form's fields. `parts`: where it leaves in several requests, each of them; the
    `body` is that of the first."""

    body: dict[str, Any]
    dropped: list[str]
    names: Mapping[str, str]
    turns: list[list[str]] = field(default_factory=list)
    system: list[str] = field(default_factory=list)
    paths: Mapping[str, str] = field(default_factory=dict)
    parts: list[Part] = field(default_factory=list)
