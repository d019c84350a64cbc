"""A request and an answer in no vendor's form. Every dialect is read into this form and written from it.

A request is typed blocks. An answer is a stream of deltas; a whole answer is all of its deltas at once. `at` is the
path of a thing in the client's body, and is ignored in comparisons. `rest` has the fields of a dialect that have no
place here, by their names there: the writer of the other side decides what to do with them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple, TypeVar

from gateway.models.usage import Usage

NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
Speaker = Literal["system", "user", "assistant"]
Kind = TypeVar("Kind", bound=type)
_WHERE: Final = ("at", "schema_at", "paths")


def told_apart(kind: Kind) -> Kind:
    """A named tuple that is equal only to tuples of the same class. Among plain tuples a piece of text would be equal
    to a piece of reasoning, and a start, which has no content, would be false."""
    made: Any = kind
    said = [number for number, name in enumerate(made._fields) if name not in _WHERE]
    made.__eq__ = lambda self, other: self.__class__ is other.__class__ and all(self[n] == other[n] for n in said)
    made.__ne__ = lambda self, other: not self.__eq__(other)
    made.__hash__ = lambda self: hash((kind, *(self[each] for each in said)))
    made.__bool__ = lambda self: True
    return kind


@told_apart
class Text(NamedTuple):
    """`rest`: what else a dialect says of this text (citations)."""

    text: str
    rest: Mapping[str, Any] = NOTHING
    at: str = ""


@told_apart
class Image(NamedTuple):
    """`format` is png, jpeg, gif or webp; `data` is base64."""

    format: str
    data: str
    at: str = ""


@told_apart
class Link(NamedTuple):
    """An image or a document (a pdf) that stands elsewhere: whoever runs the model fetches it."""

    kind: Literal["image", "document"]
    url: str
    name: str = ""
    rest: Mapping[str, Any] = NOTHING
    at: str = ""


@told_apart
class Document(NamedTuple):
    """`format` is a file's usual ending (pdf, txt, ...); `data` is base64. `parts`: what it consists of where it is no
    file; then both are empty. `rest`: what else a dialect says of it (whether it may be cited, what it is about)."""

    format: str
    name: str
    data: str
    at: str = ""
    parts: tuple[Text | Image, ...] = ()
    rest: Mapping[str, Any] = NOTHING


@told_apart
class ToolUse(NamedTuple):
    """A call of a tool; `input` is JSON."""

    id: str
    name: str
    input: Mapping[str, Any]
    at: str = ""


@told_apart
class ToolResult(NamedTuple):
    """The result of the tool that was called under `id`."""

    id: str
    content: tuple[Text | Image | Link | Document, ...]
    failed: bool = False
    at: str = ""


@told_apart
class Reasoning(NamedTuple):
    """`signature` is empty where a model signs nothing."""

    text: str
    signature: str = ""
    at: str = ""


@told_apart
class Redacted(NamedTuple):
    """Reasoning that only its model can read; `data` is base64."""

    data: str
    at: str = ""


@told_apart
class Mark(NamedTuple):
    """The provider may cache everything before this; `ttl` is 5m, 1h, or empty for the usual time."""

    ttl: str = ""
    at: str = ""


Block = Text | Image | Link | Document | ToolUse | ToolResult | Reasoning | Redacted | Mark


@told_apart
class Turn(NamedTuple):
    """One message. Neighbours may have the same speaker, until a dialect wants otherwise."""

    speaker: Speaker
    blocks: tuple[Block, ...]
    at: str = ""


@told_apart
class Tool(NamedTuple):
    """`schema` is a JSON schema of the input, as it was given, `schema_at` where; None where none was."""

    name: str
    description: str = ""
    schema: Mapping[str, Any] | None = None
    strict: bool | None = None
    at: str = ""
    schema_at: str = ""


@told_apart
class Choice(NamedTuple):
    """Which tool: the model's choice, any but at least one, the one of that `name`, none."""

    kind: Literal["auto", "any", "one", "none"]
    name: str = ""


@told_apart
class Output(NamedTuple):
    """The form of the answer: any JSON object, or JSON of a schema."""

    kind: Literal["json", "schema"]
    schema: Mapping[str, Any] = NOTHING
    name: str = ""
    description: str = ""
    strict: bool | None = None


@told_apart
class Request(NamedTuple):
    """A field that is None or empty was not sent. `cap` is the enforced number of output tokens. `effort` says how much
    a model shall think, in its vendor's words, and `thinking` is the object that says it to Anthropic's models. Names
    of the client's, where they differ: `paths` has its fields by chat's names, `called` its tools."""

    turns: tuple[Turn, ...]
    tools: tuple[Tool | Mark, ...] = ()
    choice: Choice | None = None
    parallel: bool | None = None
    output: Output | None = None
    cap: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: tuple[str, ...] = ()
    effort: str | None = None
    thinking: Mapping[str, Any] | None = None
    tier: str | None = None
    rest: Mapping[str, Any] = NOTHING
    paths: Mapping[str, str] = NOTHING
    called: Mapping[str, str] = NOTHING

    def path(self, name: str) -> str:
        """What the client calls the field that chat calls `name`."""
        return self.paths.get(name, name)


@told_apart
class Start(NamedTuple):
    """The answer begins."""


@told_apart
class Told(NamedTuple):
    """What the prompt came to, told before the answer ends; the last Used counts all."""

    usage: Usage


@told_apart
class TextDelta(NamedTuple):
    """Deltas of a block bear its number; blocks are numbered from 0 in order."""

    block: int
    text: str


@told_apart
class CitationDelta(NamedTuple):
    """Where the text of this block comes from, as its vendor says it."""

    block: int
    citation: Mapping[str, Any]


@told_apart
class ReasoningDelta(NamedTuple):
    block: int
    text: str


@told_apart
class SignatureDelta(NamedTuple):
    block: int
    signature: str


@told_apart
class RedactedDelta(NamedTuple):
    block: int
    data: str


@told_apart
class ToolStart(NamedTuple):
    block: int
    id: str
    name: str


@told_apart
class ArgumentsDelta(NamedTuple):
    """A piece of the JSON text of a call's input."""

    block: int
    text: str


@told_apart
class BlockStop(NamedTuple):
    block: int


@told_apart
class Rest(NamedTuple):
    """Everything that this form cannot express: members of the message and of the objects around it, by name."""

    message: Mapping[str, Any] = NOTHING
    around: Mapping[str, Any] = NOTHING


@told_apart
class Finish(NamedTuple):
    """Why the answer ends: stop, length, tool_calls, content_filter; or a word of the dialect that it came by. `exact`
    is its vendor's word where that says more, `sequence` the stop sequence that ended it."""

    reason: str
    exact: str = ""
    sequence: str = ""


@told_apart
class Used(NamedTuple):
    usage: Usage
    tier: str = ""


@told_apart
class Failed(NamedTuple):
    """The stream ends in an error; `kind` is the vendor's name of it."""

    kind: str
    message: str = ""


_Said = TextDelta | CitationDelta | ReasoningDelta | SignatureDelta | RedactedDelta | ToolStart | ArgumentsDelta
Delta = Start | Told | _Said | BlockStop | Rest | Finish | Used | Failed


def text_of(delta: Delta) -> str:
    """What a delta says of the answer's own text: each piece that is not empty is a token at least. A signature and
    what is redacted are no tokens of the answer."""
    if isinstance(delta, (TextDelta, ReasoningDelta, ArgumentsDelta)):
        return delta.text
    return delta.name if isinstance(delta, ToolStart) else ""
