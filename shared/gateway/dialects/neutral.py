"""A request and an answer in no vendor's form. Every dialect is read into this form and written from it.

A request is typed blocks. An answer is a stream of deltas; a whole answer is all of its deltas at once. `at` is the
path of a thing in the client's body, and is ignored in comparisons. `rest` holds a dialect's fields that have no place
here, under that dialect's names: the writer of the other side decides what to do with them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal

from msgspec import Struct

from gateway.models.usage import Usage

NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
Speaker = Literal["system", "user", "assistant"]
_WHERE: Final = ("at", "schema_at", "paths")


class Neutral(Struct, frozen=True):
    """A value of the neutral form. Two are equal if they have the same class and say the same. Where each of them stood
    in its request (the paths in `_WHERE`) does not count."""

    def __eq__(self, other: object) -> bool:
        return self.__class__ is other.__class__ and _facts(self) == _facts(other)

    def __hash__(self) -> int:
        return hash((self.__class__, *_facts(self)))


def _facts(value: object) -> list[Any]:
    said: Any = value
    return [getattr(said, name) for name in said.__struct_fields__ if name not in _WHERE]


class Text(Neutral, frozen=True):
    """`rest`: further fields of a dialect about this text (citations)."""

    text: str
    rest: Mapping[str, Any] = NOTHING
    at: str = ""


class Image(Neutral, frozen=True):
    """`format` is png, jpeg, gif or webp; `data` is base64."""

    format: str
    data: str
    at: str = ""


class Link(Neutral, frozen=True):
    """An image or a document (a pdf) that is given by a URL: the provider fetches it."""

    kind: Literal["image", "document"]
    url: str
    name: str = ""
    rest: Mapping[str, Any] = NOTHING
    at: str = ""


class Document(Neutral, frozen=True):
    """`format` is a file's usual ending (pdf, txt, ...); `data` is base64. `parts`: its content if it is not a
    file; then both are empty. `rest`: further fields of a dialect (whether it may be cited, what it is about)."""

    format: str
    name: str
    data: str
    at: str = ""
    parts: tuple[Text | Image, ...] = ()
    rest: Mapping[str, Any] = NOTHING


class ToolUse(Neutral, frozen=True):
    """A call of a tool; `input` is JSON."""

    id: str
    name: str
    input: Mapping[str, Any]
    at: str = ""


class ToolResult(Neutral, frozen=True):
    """The result of the tool that was called under `id`."""

    id: str
    content: tuple[Text | Image | Link | Document, ...]
    failed: bool = False
    at: str = ""


class Reasoning(Neutral, frozen=True):
    """`signature` is empty if the model does not sign its reasoning."""

    text: str
    signature: str = ""
    at: str = ""


class Redacted(Neutral, frozen=True):
    """Reasoning that only its model can read; `data` is base64."""

    data: str
    at: str = ""


class Mark(Neutral, frozen=True):
    """The provider may cache everything before this; `ttl` is 5m, 1h, or empty for the usual time."""

    ttl: str = ""
    at: str = ""


Block = Text | Image | Link | Document | ToolUse | ToolResult | Reasoning | Redacted | Mark


class Turn(Neutral, frozen=True):
    """One message. Neighbours may have the same speaker; a dialect that does not allow this joins them."""

    speaker: Speaker
    blocks: tuple[Block, ...]
    at: str = ""


class Tool(Neutral, frozen=True):
    """`schema` is the JSON schema of the input as it was given, or None; `schema_at` is its path."""

    name: str
    description: str = ""
    schema: Mapping[str, Any] | None = None
    strict: bool | None = None
    at: str = ""
    schema_at: str = ""


class Choice(Neutral, frozen=True):
    """Which tool is called: what the model chooses (auto), at least one (any), the one called `name`, or none."""

    kind: Literal["auto", "any", "one", "none"]
    name: str = ""


class Output(Neutral, frozen=True):
    """The form of the answer: any JSON object, or JSON that follows a schema."""

    kind: Literal["json", "schema"]
    schema: Mapping[str, Any] = NOTHING
    name: str = ""
    description: str = ""
    strict: bool | None = None


class Request(Neutral, frozen=True):
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


class Start(Neutral, frozen=True):
    """The answer begins."""


class Told(Neutral, frozen=True):
    """The prompt's token counts, sent before the answer ends. The last Used counts everything."""

    usage: Usage


class TextDelta(Neutral, frozen=True):
    """Deltas of a block carry its number; blocks are numbered from 0 in order."""

    block: int
    text: str


class CitationDelta(Neutral, frozen=True):
    """The source of this block's text, in its vendor's form."""

    block: int
    citation: Mapping[str, Any]


class ReasoningDelta(Neutral, frozen=True):
    block: int
    text: str


class SignatureDelta(Neutral, frozen=True):
    block: int
    signature: str


class RedactedDelta(Neutral, frozen=True):
    block: int
    data: str


class ToolStart(Neutral, frozen=True):
    block: int
    id: str
    name: str


class ArgumentsDelta(Neutral, frozen=True):
    """A piece of the JSON text of a call's input."""

    block: int
    text: str


class BlockStop(Neutral, frozen=True):
    block: int


class Rest(Neutral, frozen=True):
    """Everything that this form cannot express: members of the message and of the objects around it, by name."""

    message: Mapping[str, Any] = NOTHING
    around: Mapping[str, Any] = NOTHING


class Finish(Neutral, frozen=True):
    """Why the answer ends: stop, length, tool_calls, content_filter; or a word of the source's dialect. `exact` is
    the vendor's own word if that says more, `sequence` the stop sequence that ended it."""

    reason: str
    exact: str = ""
    sequence: str = ""


class Used(Neutral, frozen=True):
    usage: Usage
    tier: str = ""


class Failed(Neutral, frozen=True):
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
