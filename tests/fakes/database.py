"""Databases for unit tests: one answers from a script, one is down. Expressions are tested elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gateway.errors import StoreUnavailable

Answer = dict[str, Any] | Exception


class ScriptedDatabase:
    """Gives the answers in turn and keeps the requests."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.calls: list[tuple[str, Mapping[str, Any]]] = []

    def call(self, operation: str, request: Mapping[str, Any], *, attempts: int = 1) -> dict[str, Any]:
        self.calls.append((operation, request))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


class DownDatabase:
    """Every call fails, as if the table could not be reached."""

    def call(self, operation: str, request: Mapping[str, Any], *, attempts: int = 1) -> dict[str, Any]:
        raise StoreUnavailable("A data store does not answer; try again.", retry_after=1)


class Clock:
    """A clock that tests set."""

    def __init__(self, now: float = 1_800_000_000) -> None:
        self.now = now

    def __call__(self) -> Any:
        return self.now

    def advance(self, by: float) -> None:
        self.now += by


Handler = Callable[[Mapping[str, Any], Any], dict[str, Any]]
