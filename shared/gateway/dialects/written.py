"""The input and output of a dialect's writer: a request as it came, as it leaves, and what is needed to read the
answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from msgspec import Struct

from gateway.models.vendors import Quirks, Sampling, Thinking


class Asked(Struct, frozen=True):
    """`body` is the client's own document, `model` the provider's id, `cap` the most output tokens (per choice), which
    are enforced whatever the body says. `streamed`: the client wants a stream. `may_store`: the provider may store the
    call if the body asks for that. `beta` is the header of betas.

    `metadata` are names and values for the provider's log, if it has one. `one_tool`: the model takes Anthropic's
    `tool_choice` among its own fields. `sampling`: whether it takes a temperature and `top_p`, one of them, or neither;
    `thinking`: how to ask it to think; `dimensions`: the lengths that its vectors may have. `quirks` are the
    endpoint's. `marks`: for how long (5m, 1h) a prompt without marks is cached by our marks; empty for not at all.
    """

    body: Mapping[str, Any]
    model: str
    cap: int
    streamed: bool = False
    may_store: bool = False
    beta: str = ""
    metadata: Mapping[str, str] = MappingProxyType({})
    one_tool: bool = False
    sampling: Sampling = "one"
    thinking: Thinking = ""
    dimensions: tuple[int, ...] = ()
    quirks: Quirks = Quirks()
    marks: str = ""


class Part(Struct, frozen=True):
    """One of several requests into which a request is split; `most` is the most tokens that its prompt can have."""

    body: dict[str, Any]
    most: int


class Written(Struct, frozen=True):
    """A request as it leaves. `dropped`: paths of fields that were left out. `names`: the client's names of tools by
    those that the answer will have, where they differ. `turns` and `system`: where each block came from; `paths`: the
    client's names of the neutral form's fields. `parts`: the requests, if it is split into several; `body` is that of
    the first."""

    body: dict[str, Any]
    dropped: list[str]
    names: Mapping[str, str]
    turns: Sequence[Sequence[str]] = ()
    system: Sequence[str] = ()
    paths: Mapping[str, str] = MappingProxyType({})
    parts: Sequence[Part] = ()
