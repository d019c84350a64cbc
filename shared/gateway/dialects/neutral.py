"""A request and an answer in no vendor's form. Every dialect is read into this form and written from it.

A request is typed blocks. An answer is a stream of deltas; a whole answer is all of its deltas at once. `at` is the
path of a thing in the client's body, and is ignored in comparisons. `rest` holds a dialect's fields that have no place
here, under that dialect's names: the writer of the other side decides what to do with them.
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
    """`rest`: further fields of a dialect about this text (citations)."""

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
    """An image or a document (a pdf) that is given by a URL: the provider fetches it."""

    kind: Literal["image", "document"]
    url: str
    name: str = ""
    rest: Mapping[str, Any] = NOTHING
    at: str = ""


@told_apart
class Document(NamedTuple):
    """`format` is a file's usual ending (pdf, txt, ...); `data` is base64. `parts`: its content if it is not a
    file; then both are empty. `rest`: further fields of a dialect (whether it may be cited, what it is about)."""

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
    """`signature` is empty if the model does not sign its reasoning."""

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
    """One message. Neighbours may have the same speaker; a dialect that does not allow this joins them."""

    speaker: Speaker
    blocks: tuple[Block, ...]
    at: str = ""


@told_apart
class Tool(NamedTuple):
    """`schema` is the JSON schema of the input as it was given, or None; `schema_at` is its path."""

    name: str
    description: str = ""
    schema: Mapping[str, Any] | None = None
    strict: bool | None = None
    at: str = ""
    schema_at: str = ""


@told_apart
class Choice(NamedTuple):
    """Which tool is called: what the model chooses (auto), at least one (any), the one called `name`, or none."""

    kind: Literal["auto", "any", "one", "none"]
    name: str = ""


@told_apart
class Output(NamedTuple):
    """The form of the answer: any JSON object, or JSON that follows a schema."""

    kind: Literal["json", "schema"]
    schema: Mapping[str, Any] = NOTHING
    name: str = ""
    description: str = ""
    strict: bool | None = None


@told_apart
class Request(NamedTuple):
    """A field that is None or empty was not sent. `cap` is the enforced number of output tokens. `effort` says how much
    a model shall think, in its vendor's words; `thinking` is the object that tells Anthropic's models. Where the
    client's names differ, `paths` gives its fields' names by chat's, and `called` its tools' names."""

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
        """The client's name for the field that chat calls `name`."""
        return self.paths.get(name, name)


@told_apart
class Start(NamedTuple):
    """The answer begins."""


@told_apart
class Told(NamedTuple):
    """The prompt's token counts, sent before the answer ends. The last Used counts everything."""

    usage: Usage


@told_apart
class TextDelta(NamedTuple):
    """Deltas of a block carry its number; blocks are numbered from 0 in order."""

    block: int
    text: str


@told_apart
class CitationDelta(NamedTuple):
    """The source of this block's text, in its vendor's form."""

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
    """Why the answer ends: stop, length, tool_calls, content_filter; or a word of the source's dialect. `exact` is
    the vendor's own word if that says more, `sequence` the stop sequence that ended it."""

    reason: str
    exact: str = ""
    sequence: str = ""


@told_apart
class Used(NamedTuple):
    usage: Usage
    tier: str = ""


@told_apart
class Failed(NamedTuple):
    """The stream ends in an error; `kind` is the vendor's name of the error."""

    kind: str
    message: str = ""


_Said = TextDelta | CitationDelta | ReasoningDelta | SignatureDelta | RedactedDelta | ToolStart | ArgumentsDelta
Delta = Start | Told | _Said | BlockStop | Rest | Finish | Used | Failed


def text_of(delta: Delta) -> str:
    """The part of the answer's text in a delta. Each piece that is not empty is at least one token. Signatures and
    redacted reasoning do not count as tokens of the answer."""
    if isinstance(delta, (TextDelta, ReasoningDelta, ArgumentsDelta)):
        return delta.text
    return delta.name if isinstance(delta, ToolStart) else ""
