"""The rest of the gateway uses a provider in two narrow steps.

A provider takes a request in the client's dialect and gives answers in it, whatever dialect the endpoint speaks.
`prepare` chooses the endpoint and translates, before anything is held or sent. `send` is an iterator of events. A JSON
answer is one `Answer`. A streamed answer is `Chunk`s, `Made` for output that is not shown, and at the end an `Answer`
with the usage that is billed. In between, a provider may report the usage so far (`Counted`), and be `QUIET`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Mapping
from enum import Enum
from types import MappingProxyType
from typing import Any, Final, Literal, Protocol, TypeVar

from msgspec import Struct

from gateway.models.usage import Usage
from gateway.models.vendors import Endpoint
from gateway.times import NO_WAITS, Waits

Got = TypeVar("Got")


class ModelCall(Struct, frozen=True):
    """One attempt at one provider.

    `model` is the provider's own id. `body` is the client's request in its `dialect`, without gateway fields; unknown
    fields are kept. `max_output_tokens` is the cap that is enforced (per choice), whatever the body says. `timeout` is
    in seconds, for the whole attempt. `endpoint` is the one that the config names, if it does. `beta` is the client's
    header of betas, `version` the version of its dialect that it names. `may_store`: the provider may store the call if
    the body asks for that. `streamed`: the provider is asked to send its answer as it is made; the answer has `choices`
    choices. `mode` is what the model is asked to do: `chat` or `embedding`. `waits` say how long each step may take,
    and after how much silence QUIET is reported, each time again.

    `marks`: how long (5m, 1h) a prompt without cache marks is marked to be cached, if its model caches by marks; empty
    for no marks. `dropped` are paths of the client's request that are not in `body`.

    `correlation_id` and `metadata` (names and ids of ours) may be passed on if the provider has a place for them.
    """

    model: str
    body: Mapping[str, Any]
    max_output_tokens: int
    timeout: float
    dialect: str = "chat"
    endpoint: str = ""
    streamed: bool = False
    choices: int = 1
    mode: str = "chat"
    waits: Waits = NO_WAITS
    beta: str = ""
    version: str = ""
    may_store: bool = False
    correlation_id: str = ""
    metadata: Mapping[str, str] = MappingProxyType({})
    marks: str = ""
    dropped: tuple[str, ...] = ()


class Prepared(Struct, frozen=True):
    """A call as it leaves for an `endpoint`. `body` is the bytes on the wire. `dropped`: paths of request fields that
    are left out, fit for a header. `names`: maps tools' names in the answer to the client's names if they differ.
    `parts`: if the call leaves in several requests, which all belong to this one attempt, the bytes of each and the
    most tokens that its prompt has; `body` is then that of the first. `seconds`: how long the attempt may take, if that
    is less than the call's timeout. `way`: the provider's own note of how it is sent."""

    call: ModelCall
    endpoint: Endpoint
    body: bytes
    dropped: tuple[str, ...] = ()
    names: Mapping[str, str] = MappingProxyType({})
    parts: tuple[tuple[bytes, int], ...] = ()
    seconds: float = math.inf
    way: Any = None

    @property
    def timeout(self) -> float:
        """How many seconds the attempt may take."""
        return min(self.call.timeout, self.seconds)


class Chunk(Struct, frozen=True):
    """One event of a stream in the client's dialect. `kind` is its type, empty if the dialect has none. `data` is its
    text as it came, if the provider speaks the client's dialect.

    `content`: it has part of the answer, and not only its beginning. `pieces` is how many non-empty pieces of the
    answer's text came with it, each of which is at least one token. `size` is their size in bytes, of which each token
    takes at least one.
    """

    body: dict[str, Any]
    kind: str = ""
    data: str = ""
    content: bool = True
    pieces: int = 0
    size: int = 0


class Made(Struct, frozen=True):
    """Output that was made but that the client's dialect does not show: a thought if the dialect has none, or the end
    while it waits for its counts. It is paid for like shown output. The fields are those of a `Chunk`."""

    content: bool = True
    pieces: int = 0
    size: int = 0


class Counted(Struct, frozen=True):
    """The provider's counts so far: the whole prompt, and the answer as far as it is counted. `final`: these are all
    the counts, because the answer has given its reason to end; or the call leaves in parts, and they are all that the
    parts sent by now come to. `tier` is the service tier that answered, if it is named."""

    usage: Usage
    final: bool = False
    tier: str = ""


class Quiet(Enum):
    """The provider was silent for as long as the call's `wake` says."""

    QUIET = "quiet"


QUIET: Final = Quiet.QUIET


class Answer(Struct, frozen=True):
    """The whole answer in the client's dialect, with the types that its SDK has, and the tokens that are billed. For a
    stream, which was sent in chunks, `body` is empty.

    `usage` is None only if the provider sent no readable usage: a count of 0 is not "missing". `tier` is the service
    tier that answered, if the provider names it.
    """

    body: dict[str, Any]
    usage: Usage | None
    tier: str | None = None


Event = Chunk | Made | Counted | Answer | Literal[Quiet.QUIET]


def awaited(steps: Generator[object, None, Got]) -> Got:
    """The value that a generator returns after any number of silences."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: Got = end.value
            return found


class Provider(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def region(self) -> str:
        """The region that its answers come from; "global" if the vendor has no regions."""
        ...

    def prepare(self, call: ModelCall) -> Prepared:
        """Translates the call to the provider's own format. Sends nothing. Raises BadRequest or UpstreamRejected
        (`sent` false) with the path of the field that can't be served."""
        ...

    def send(self, prepared: Prepared) -> Iterator[Event]:
        """One attempt. Before anything was sent it may raise anything (such as a secret that can't be read). From the
        moment when the request may have left, it raises only UpstreamErrors with `sent` true."""
        ...

    def counter(self, prepared: Prepared) -> Callable[[], dict[str, Any]] | None:
        """A function that asks how many tokens the prompt has, which costs nothing. Its result is Anthropic's:
        `input_tokens` and whatever else the provider returned. It raises the same errors as `send`. None if the
        provider does not count for this model."""
        ...
