"""What a provider is to the rest of the gateway: two narrow steps.

The gateway's own chat format is OpenAI's: a provider takes an OpenAI request body and gives OpenAI bodies back,
so that a field we never heard of still passes. `prepare` translates, before anything is held or sent; `send` is an
iterator of events: a JSON answer is one `Answer`; a streamed one is `Chunk`s and then an `Answer` gathered from them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from gateway.models.usage import Usage


@dataclass(frozen=True, slots=True)
class ChatCall:
    """One attempt at one provider.

    `model` is the provider's own id. `body` is the OpenAI request without gateway fields; unknown fields are
    kept. `max_output_tokens` is the cap that is enforced (per choice), whatever the body says. `timeout` is in
    seconds, for the whole attempt. `correlation_id` may be passed on where the provider has a place for it.
    """

    model: str
    body: Mapping[str, Any]
    max_output_tokens: int
    timeout: float
    correlation_id: str = ""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A call as it leaves: `body` are the bytes on the wire. `dropped`: paths of the request that they do not say, fit
    for a header. `names`: tools' names as the answer will have them, to the client's, where they differ."""

    call: ChatCall
    body: bytes
    dropped: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Chunk:
    """One OpenAI `chat.completion.chunk` object."""

    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """The whole OpenAI `chat.completion` object, of the types that OpenAI's SDK has, and the tokens it is billed by.

    `usage` is None only where the provider sent none that could be read: a count of 0 is not "missing".
    """

    body: dict[str, Any]
    usage: Usage | None


Event = Chunk | Answer


class Provider(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def region(self) -> str:
        """Where it answers from; "global" where that is nobody's choice."""
        ...

    def prepare(self, call: ChatCall) -> Prepared:
        """The call in the provider's own format. Sends nothing. Raises BadRequest or UpstreamRejected (`sent` false),
        with the path of the field that can't be had."""
        ...

    def send(self, prepared: Prepared) -> Iterator[Event]:
        """One attempt. What is raised before anything was sent may be anything (a secret that can't be had); from the
        moment on when the request may have left, only UpstreamErrors with `sent` true."""
        ...
