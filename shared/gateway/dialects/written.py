"""What a dialect's writer gives: a request as it leaves, and what is needed to read what comes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Written:
    """A request as it leaves. `dropped`: paths of what it does not say. `names`: tools' names as the answer will have
    them, to those that the client knows, where they differ. `turns` and `system`: where each block came from; `paths`:
    what the client calls the neutral form's fields."""

    body: dict[str, Any]
    dropped: list[str]
    names: Mapping[str, str]
    turns: list[list[str]] = field(default_factory=list)
    system: list[str] = field(default_factory=list)
    paths: Mapping[str, str] = field(default_factory=dict)
