"""What a request comes down to on its way from a client's dialect to an endpoint's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.models.vendors import Quirks


@dataclass(frozen=True, slots=True)
class Asked:
    """`body` is the client's own document, `model` the provider's id, `cap` the most output tokens (per choice), which
    are enforced whatever the body says. `streamed`: the answer is wanted as it is made.

    `metadata` are names and values for the provider's log, where it has one. `one_tool`: the model takes Anthropic's
    `tool_choice` among its own fields. `quirks` are the endpoint's.
    """

    body: Mapping[str, Any]
    model: str
    cap: int
    streamed: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)
    one_tool: bool = False
    quirks: Quirks = field(default_factory=Quirks)
