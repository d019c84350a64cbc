"""An answer over HTTP, in the form that tests use."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Reply:
    """Status, headers (lower-case names) and the body's text."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def body(self) -> Any:
        """Parsed as JSON; an empty body is an empty object."""
        return json.loads(self.text or "{}")

    @property
    def error(self) -> Any:
        """The error in the body; empty if the body is not an error of a function."""
        return self.body.get("error", {})

    @property
    def code(self) -> Any:
        return self.error.get("code")

    @property
    def param(self) -> Any:
        return self.error.get("param")
