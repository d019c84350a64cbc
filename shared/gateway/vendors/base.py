"""What a provider is to the rest of the gateway: two narrow steps.

A provider takes a request in the client's dialect and gives answers in it, whatever the endpoint speaks that it is sent
to. `prepare` chooses the endpoint and translates, before anything is held or sent; `send` is an iterator of events: a
JSON answer is one `Answer`; a streamed one is `Chunk`s, and what is `Made` untold, and then an `Answer` that says what
it is billed by. Between them a provider may tell what was used so far, and be `QUIET`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple, Protocol

from gateway.models.usage import Usage
from gateway.models.vendors import Endpoint
from gateway.sockets import NO_WAITS, Waits


class ModelCall(NamedTuple):
    """One attempt at one provider.

    `model` is the provider's own id. `body` is the client's request in its `dialect`, without gateway fields; unknown
    fields are kept. `max_output_tokens` is the cap that is enforced (per choice), whatever the body says. `timeout` is
    in seconds, for the whole attempt. `endpoint` is the one that the config names, if it does; `beta` the client's
    header of betas, `version` the version of its dialect that it names. `may_store`: the provider may store the call,
    if the body asks for that. `streamed`: the provider is asked to send its answer as it is made, of which there are so
    many `choices`. `mode` says what is asked of the model: to `chat`, or for an `embedding`. `waits` say how long each
    step may take, and after how much silence QUIET is told, and again each time.

    `marks`: for how long (5m, 1h) a prompt without marks is marked to be cached, where marks are what its model caches
    by; empty for not at all.

    `correlation_id`, and `metadata` (names and ids of ours), may be passed on where the provider has a place for them.
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


class Prepared(NamedTuple):
    """A call as it leaves for an `endpoint`: `body` are the bytes on the wire. `dropped`: paths of the request that
    they do not say, fit for a header. `names`: tools' names as the answer will have them, to the client's, where they
    differ. `parts`: where it leaves in several requests, which all belong to this one attempt, the bytes of each, and
    the most tokens that its prompt has; the `body` is that of the first."""

    call: ModelCall
    endpoint: Endpoint
    body: bytes
    dropped: tuple[str, ...] = ()
    names: Mapping[str, str] = MappingProxyType({})
    parts: tuple[tuple[bytes, int], ...] = ()


class Chunk(NamedTuple):
    """One event of a stream in the client's dialect; `kind` is its type, empty where the dialect has none. `data` is
    its text as it came, where the provider speaks the client's dialect.

    `content`: it says something of the answer, and not only that it begins. `pieces` are how many pieces of the
    answer's text came with it that are not empty, each a token at least, and `size` their bytes, each token one at
    least.
    """

    body: dict[str, Any]
    kind: str = ""
    data: str = ""
    content: bool = True
    pieces: int = 0
    size: int = 0


class Made(NamedTuple):
    """What was made of an answer, and what the client's dialect says nothing of: a thought where there are none, the
    end that waits for its counts. It is paid for like what is told; the fields are those of a `Chunk`."""

    content: bool = True
    pieces: int = 0
    size: int = 0


class Counted(NamedTuple):
    """What the provider has counted so far: of the prompt all, of the answer what it says. `final`: the answer has said
    why it ends, so that this is all of it, or it comes in parts, and this is all that those come to which were asked
    for by now; `tier` is the service tier that answered, where it is named."""

    usage: Usage
    final: bool = False
    tier: str = ""


class Quiet(Enum):
    """The provider was silent for as long as the call's `wake` says."""

    QUIET = "quiet"


QUIET: Final = Quiet.QUIET


class Answer(NamedTuple):
    """The whole answer in the client's dialect, of the types that its SDK has, and the tokens it is billed by. Of a
    stream, which was told in chunks, the `body` is empty.

    `usage` is None only where the provider sent none that could be read: a count of 0 is not "missing". `tier` is the
    service tier that answered, where the provider names it.
    """

    body: dict[str, Any]
    usage: Usage | None
    tier: str | None = None


Event = Chunk | Made | Counted | Answer | Literal[Quiet.QUIET]


class Provider(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def region(self) -> str:
        """Where its answers come from; "global" where the vendor has no regions."""
        ...

    def prepare(self, call: ModelCall) -> Prepared:
        """The call in the provider's own format. Sends nothing. Raises BadRequest or UpstreamRejected (`sent` false),
        with the path of the field that can't be had."""
        ...

    def send(self, prepared: Prepared) -> Iterator[Event]:
        """One attempt. What is raised before anything was sent may be anything (a secret that can't be had); from the
        moment on when the request may have left, only UpstreamErrors with `sent` true."""
        ...

    def counter(self, prepared: Prepared) -> Callable[[], dict[str, Any]] | None:
        """What asks how many tokens the prompt has, which costs nothing: the answer is Anthropic's, `input_tokens` and
        what else was told. Raises as `send`. None where the provider counts none of the model's."""
        ...
