"""The interface between a paid call and its client's dialect: read a request, bill an answer, write a stream. Each
dialect that clients speak implements it in `gateway.dialects.<dialect>.spoken`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, cast

from gateway.config.document import Config, TierLimits
from gateway.errors import BadRequest, Forbidden, GatewayError
from gateway.identity.caller import Caller
from gateway.models.geographies import strictest
from gateway.models.model_names import SHOWN, Route, permits
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


def residency_of(caller: Caller, config: Config) -> str:
    """The rule that binds a key's calls to a geography: the narrowest of the key's, its team's and the config's."""
    if not caller.residency and not caller.team_residency:  # as most keys: the narrowest of one rule is that rule
        return config.residency or ""
    return strictest(caller.bound_to, config.residency or "")


def check_allowed(caller: Caller, request: Asked, name: str, *others: str) -> None:
    """Raises Forbidden if the key may not use the model under any of its names, or not with mcpContext."""
    if "completions" not in caller.scopes:
        raise Forbidden("This API key lacks the scope 'completions'. GET /v1/key shows what a key may do.")
    if caller.models and not permits(caller.models, name, *others):
        raise Forbidden(f"This API key may not use the model '{name}'{SHOWN}", code="model_not_allowed", param="model")
    if request.mcp_context is not None and not caller.may("catalogue"):
        raise Forbidden("mcpContext needs an API key with the scope 'catalogue'.", param="mcpContext")
