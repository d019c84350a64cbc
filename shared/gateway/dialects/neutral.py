"""A request and an answer in no vendor's form: what every dialect reads into and writes out of.

A request is typed blocks; an answer is a stream of deltas, and a whole answer is its deltas at once. `at` says where a
thing stood in what the client sent; it is no part of what is said, so it counts in no comparison. What a dialect knows
and has no place here stands in `rest`, by its name there: the writer of the other side says what becomes of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Literal

from gateway.models.usage import Usage

NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
Speaker = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Text:
    """`rest`: what else a dialect says of this text (citations)."""

    text: str
    rest: Mapping[str, Any] = field(default_factory=dict)
    at: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Image:
    """`format` is png, jpeg, gif or webp; `data` is base64."""

    format: str
    data: str
    at: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Link:
    """An image or a document (a pdf) that stands elsewhere: whoever runs the model fetches it."""

    kind: Literal["image", "document"]
    url: str
    name: str = ""
    rest: Mapping[str, Any] = field(default_factory=dict)
    at: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Document:
    """`format` is a file's usual ending (pdf, txt, ...); `data` is base64. `parts`: what it consists of where it is no
    file; then both are empty. `rest`: what else a dialect says of it (whether it may be cited, what it is about)."""

    format: str
    name: str
    data: str
    at: str = field(default="", compare=False)
    parts: tuple[Text | Image, ...] = ()
    rest: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A call of a tool; `input` is JSON."""

    id: str
    name: str
    input: Mapping[str, Any]
    at: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What the tool said that was called under `id`."""

    id: str
    content: tuple[Text | Image | Link | Document, ...]
    failed: bool = False
    at: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Reasoning:
    """`signature` is empty where a model signs nothing."""

    text: str
    signature: str = ""
    at: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Redacted:
    """Reasoning that only its model can read; `data` is base64."""

    data: str
    at: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Mark:
    """All that stands before may be kept in the provider's cache; `ttl` is 5m, 1h, or empty for what is usual."""

    ttl: str = ""
    at: str = field(default="", compare=False)


Block = Text | Image | Link | Document | ToolUse | ToolResult | Reasoning | Redacted | Mark


@dataclass(frozen=True, slots=True)
class Turn:
    """One message. Neighbours may have the same speaker, until a dialect wants otherwise."""

    speaker: Speaker
    blocks: tuple[Block, ...]
    at: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Tool:
    """`schema` is a JSON schema of the input, as it was given, `schema_at` where; None where none was."""

    name: str
    description: str = ""
    schema: Mapping[str, Any] | None = None
    strict: bool | None = None
    at: str = field(default="", compare=False)
    schema_at: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Choice:
    """Which tool: the model's choice, any but at least one, the one of that `name`, none."""

    kind: Literal["auto", "any", "one", "none"]
    name: str = ""


@dataclass(frozen=True, slots=True)
class Output:
    """The form of the answer: any JSON object, or JSON of a schema."""

    kind: Literal["json", "schema"]
    schema: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    description: str = ""
    strict: bool | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """None, or empty, is what was not said. `cap` are the most output tokens, enforced; `effort` is how much a model
    shall think, in its vendor's words, and `thinking` the object by which Anthropic's models are told the same.
    `paths`: what the client calls a field, by chat's name for it, where it has another."""

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
    rest: Mapping[str, Any] = field(default_factory=dict)
    paths: Mapping[str, str] = field(default_factory=dict, compare=False)

    def path(self, name: str) -> str:
        """What the client calls the field that chat calls `name`."""
        return self.paths.get(name, name)


@dataclass(frozen=True, slots=True)
class Start:
    """The answer begins."""


@dataclass(frozen=True, slots=True)
class Told:
    """What the prompt came to, told before the answer ends; the last Used counts all."""

    usage: Usage


@dataclass(frozen=True, slots=True)
class TextDelta:
    """Deltas of a block bear its number; blocks are numbered from 0 in order."""

    block: int
    text: str


@dataclass(frozen=True, slots=True)
class CitationDelta:
    """Where the text of this block comes from, as its vendor says it."""

    block: int
    citation: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    block: int
    text: str


@dataclass(frozen=True, slots=True)
class SignatureDelta:
    block: int
    signature: str


@dataclass(frozen=True, slots=True)
class RedactedDelta:
    block: int
    data: str


@dataclass(frozen=True, slots=True)
class ToolStart:
    block: int
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class ArgumentsDelta:
    """A piece of the JSON text of a call's input."""

    block: int
    text: str


@dataclass(frozen=True, slots=True)
class BlockStop:
    block: int


@dataclass(frozen=True, slots=True)
class Rest:
    """What this form has no words for: members of the message, and of what stands around it, by their names."""

    message: Mapping[str, Any] = field(default_factory=dict)
    around: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finish:
    """Why the answer ends: stop, length, tool_calls, content_filter; or a word of the dialect that it came by. `exact`
    is its vendor's word where that says more, `sequence` the stop sequence that ended it."""

    reason: str
    exact: str = ""
    sequence: str = ""


@dataclass(frozen=True, slots=True)
class Used:
    usage: Usage
    tier: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """The stream ends in an error; `kind` is the vendor's name of it."""

    kind: str
    message: str = ""


Delta = (
    Start
    | Told
    | TextDelta
    | CitationDelta
    | ReasoningDelta
    | SignatureDelta
    | RedactedDelta
    | ToolStart
    | ArgumentsDelta
    | BlockStop
    | Rest
    | Finish
    | Used
    | Failed
)


def text_of(delta: Delta) -> str:
    """What a delta says of the answer's own text: each piece that is not empty is a token at least. A signature and
    what is redacted are no tokens of the answer."""
    if isinstance(delta, (TextDelta, ReasoningDelta, ArgumentsDelta)):
        return delta.text
    return delta.name if isinstance(delta, ToolStart) else ""
