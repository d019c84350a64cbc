"""The interface between a paid call and its client's dialect: read a request, bill an answer, write a stream. Each
dialect that clients speak implements it in `gateway.dialects.<dialect>.spoken`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, cast

from gateway.config.document import TierLimits
from gateway.errors import BadRequest, GatewayError
from gateway.models.model_names import Route
from gateway.models.usage import Usage

if TYPE_CHECKING:
    from gateway.catalogue.context import McpContext

_INSTEAD = {
    "embedding": "makes embeddings: use POST /v1/embeddings",
    "chat": "is a chat model: use POST /v1/chat/completions",
}


class Asked(Protocol):
    """A request, as far as a paid call depends on it."""

    @property
    def model(self) -> str: ...
    @property
    def choices(self) -> int:
        """How many answers are asked for."""

    @property
    def streamed(self) -> bool: ...
    @property
    def tags(self) -> Sequence[str]: ...
    @property
    def mcp_context(self) -> McpContext | None: ...
    def cap(self, tier: TierLimits, most: int | None) -> int:
        """The output tokens to enforce for each choice; `most` is the model's own limit."""


class Delivery(Protocol):
    """One stream on its way to the client, as bytes."""

    def ping(self) -> bytes:
        """The bytes that say, between two events, that the answer is still being made."""

    def chunk(self, kind: str, event: dict[str, Any], data: str) -> bytes:
        """An event of the answer; `data` is its text if it came in this dialect. Empty if the event is kept for the
        end."""

    def end(self, usage: Usage | None, facts: Mapping[str, Any]) -> bytes:
        """The last events: the end with the usage, and the facts that came too late for headers (the cost, and how the
        call went)."""

    def error(self, error: GatewayError, facts: Mapping[str, Any]) -> bytes:
        """The last events of an answer that ends in an error, with the same facts."""


class Spoken(Protocol):
    """A dialect that clients speak. `mode` is what it asks models to do, in the words of the price list."""

    @property
    def mode(self) -> str: ...
    def parse(self, body: Mapping[str, Any]) -> Asked:
        """The request. Raises BadRequest, which names the field."""

    def leaving(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The body for a provider: everything except the gateway's own fields and those about delivery."""

    def billed(
        self, asked: Any, body: Mapping[str, Any], usage: Usage | None, cost: Mapping[str, Any]
    ) -> dict[str, Any]:
        """A whole answer with its cost, and with its usage if it has none. `asked` is what `parse` gave, here and
        below."""


class Streamed(Spoken, Protocol):
    """A dialect whose answers may be streamed."""

    def delivery(self, asked: Any, *, by_end: bool = False) -> Delivery:
        """`by_end`: the client looks only at a stream's end, and repeats a request whose end it does not know."""


@lru_cache(maxsize=8)
def spoken(dialect: str) -> Spoken:
    """A dialect by its name. Dialects are loaded when they are first used."""
    return cast(Spoken, import_module(f"gateway.dialects.{dialect}.spoken").SPOKEN)


def streamed(dialect: str) -> Streamed:
    """A dialect in which a stream was asked for."""
    return cast(Streamed, spoken(dialect))


def check_mode(route: Route, dialect: str) -> None:
    """Raises BadRequest if the model does something else than the dialect asks for."""
    mode = route.price.mode
    if mode != spoken(dialect).mode:
        message = f"The model '{route.name}' {_INSTEAD[mode]}."
        raise BadRequest(message, code="model_not_supported", param="model")
