"""A conversation as strict dialects take it (Converse, Messages, many hosts of chat): the system prompt is separate.
User and assistant alternate. The user begins, and has the last word if a tool call is open. No text is blank. Every
tool call is answered in the next turn, and no result lacks its call."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from itertools import takewhile
from typing import Any, Final

from msgspec import Struct

from gateway.dialects.names import Ids
from gateway.dialects.neutral import (
    Block,
    Document,
    Image,
    Link,
    Mark,
    Reasoning,
    Redacted,
    Speaker,
    Text,
    Tool,
    ToolResult,
    ToolUse,
    Turn,
)
from gateway.dialects.unsupported import refuse

# Placeholders where a dialect requires text and the client sent nothing: a few tokens each.
NO_MESSAGE: Final = "(no message)"
NO_RESULT: Final = "(no result)"
_CALLS: Final = frozenset((ToolUse, ToolResult))
JSON_SENTENCE: Final = "Answer with one JSON object and nothing else."


class Spoken(Struct):
    """Everything that one side says before the other side's turn."""

    speaker: Speaker
    blocks: list[Block]
    _seen: int = 0  # how many blocks the last call of `said` saw, and its result
    _said: int = 0

    def said(self) -> int:
        """How many blocks there are up to the last one that is not reasoning."""
        at = len(self.blocks)
        while at > self._seen and isinstance(self.blocks[at - 1], (Reasoning, Redacted)):
            at -= 1
        if at > self._seen:
            self._said = at
        self._seen = len(self.blocks)
        return self._said

    def put(self, mark: Mark, dropped: list[str]) -> bool:
        """Put a mark behind what was said. False if nothing was said."""
        at = self.said()
        if at and _put(mark, self.blocks, at, dropped):
            self._said, self._seen = at + 1, self._seen + 1
        return at > 0


class Conversation(Struct):
    """`tools` are those that may be called, with the marks between them; empty if none may be called."""

    tools: list[Tool | Mark]
    system: list[Block]
    turns: list[Spoken]


def conversation_of(
    turns: Sequence[Turn],
    tools: Sequence[Tool | Mark],
    dropped: list[str],
    path: Callable[[str], str],
    *,
    ids: Ids | None = None,
    words: bool = True,
) -> Conversation:
    """Raises Unsupported if nothing is said at all. Parts that are lost are named in `dropped`. `ids` makes the ids of
    calls fit. `words`: calls and results become words if no tools may be called. `path` gives the client's name
    for a field of chat."""
    talk = Conversation(list(tools), [], [])
    calls = not _CALLS.isdisjoint({type(block) for turn in turns for block in turn.blocks})
    if calls and words and not tools:
        turns, calls = [_told(turn) for turn in turns], False
    for turn in turns:
        _hear(talk, turn, dropped)
    if calls:  # if not, turns alternate as they are, and none begins with a mark
        _pair(talk, ids or Ids(), dropped)
    if not talk.turns:
        _system_alone(talk, turns, dropped, path)
    if talk.turns[0].speaker == "assistant":
        talk.turns.insert(0, Spoken("user", [Text(NO_MESSAGE)]))
    last = talk.turns[-1]
    if last.speaker == "assistant":
        _without_blanks(last)
    return talk


def _without_blanks(last: Spoken) -> None:
    """Strip the end of a turn's last text."""
    for at in reversed(range(len(last.blocks))):
        if isinstance(block := last.blocks[at], Text):
            last.blocks[at] = Text(block.text.rstrip(), block.rest, block.at)
            return


def _hear(talk: Conversation, turn: Turn, dropped: list[str]) -> None:
    """Add a turn. It is joined to the turn before if the speaker is the same."""
    blocks = _said(turn, dropped)
    if turn.speaker == "system" and talk.turns and any(not isinstance(block, Mark) for block in blocks):
        dropped.append(f"{turn.at}.role")  # its place in the conversation is lost, but not its words
    for block in blocks:
        if isinstance(block, Mark):
            _place(block, talk, dropped, in_system=turn.speaker == "system")
        elif turn.speaker == "system":
            talk.system.append(block)
        elif talk.turns and talk.turns[-1].speaker == turn.speaker:
            talk.turns[-1].blocks.append(block)
        else:
            talk.turns.append(Spoken(turn.speaker, [block]))


def _said(turn: Turn, dropped: list[str]) -> list[Block]:
    """The blocks without blank texts, and without reasoning that nothing follows: a turn can't end in reasoning."""
    blocks: list[Block] = []
    for block in turn.blocks:
        if not (isinstance(block, Text) and _blank(block, dropped)):
            blocks.append(block)
    end = len(blocks)
    while end and isinstance(blocks[end - 1], (Reasoning, Redacted, Mark)):
        end -= 1
    if end < len(blocks):
        dropped += [block.at for block in blocks[end:] if not isinstance(block, Mark)]
        blocks[end:] = [block for block in blocks[end:] if isinstance(block, Mark)]
    return blocks


def _blank(block: Text, dropped: list[str]) -> bool:
    if block.text and not block.text.isspace():
        return False
    if block.text:
        dropped.append(block.at)
    return True


def _place(mark: Mark, talk: Conversation, dropped: list[str], *, in_system: bool) -> None:
    """A mark goes behind what it marks. If that is nothing or reasoning, it goes behind what precedes."""
    if not in_system and any(turn.put(mark, dropped) for turn in reversed(talk.turns)):
        return
    if talk.system:
        _put(mark, talk.system, len(talk.system), dropped)
    elif talk.tools:
        _put(mark, talk.tools, len(talk.tools), dropped)
    else:
        dropped.append(mark.at)


def _put(mark: Mark, home: list[Any], at: int, dropped: list[str]) -> bool:
    """Whether the mark was put there: of two marks behind the same block the first stays."""
    before = home[at - 1]
    if not isinstance(before, Mark):
        home.insert(at, mark)
        return True
    if mark.ttl != before.ttl:
        dropped.append(f"{mark.at}.ttl")
    return False


def _system_alone(talk: Conversation, turns: Sequence[Turn], dropped: list[str], path: Callable[[str], str]) -> None:
    """If only the system speaks, its words become the user's."""
    if not talk.system:
        raise refuse(path("messages"), "contain nothing that this model could answer")
    dropped += [f"{turn.at}.role" for turn in turns if turn.speaker == "system"][:1]
    talk.turns.append(Spoken("user", talk.system))
    talk.system = []


def _told(turn: Turn) -> Turn:
    """Calls and results as words: dialects take their blocks only if tools may be called."""
    blocks: list[Block] = []
    for block in turn.blocks:
        if isinstance(block, ToolUse):
            arguments = json.dumps(block.input, ensure_ascii=False, separators=(",", ":"))
            blocks.append(Text(f"[tool call {block.name}: {arguments}]", at=block.at))
        elif isinstance(block, ToolResult):
            words = "\n".join(part.text for part in block.content if isinstance(part, Text))
            blocks.append(Text(f"[tool result: {words}]", at=block.at))
            blocks.extend(part for part in block.content if not isinstance(part, Text))
        else:
            blocks.append(block)
    return Turn(turn.speaker, tuple(blocks), turn.at)


def _pair(talk: Conversation, ids: Ids, dropped: list[str]) -> None:
    """Every call is answered in the next turn, before anything else there. A result without its call becomes the user's
    words. Ids are replaced where they do not fit."""
    turns = talk.turns
    open_calls: dict[str, list[tuple[str, str]]] = {}  # by the client's id: our id, and the call's path
    talk.turns = []
    for turn in turns:
        if turn.speaker == "assistant":
            blocks = [_called(block, ids, open_calls) if isinstance(block, ToolUse) else block for block in turn.blocks]
        else:
            blocks = _answered(turn.blocks, open_calls, dropped)
        leading = list(takewhile(lambda block: isinstance(block, Mark), blocks))
        for mark in leading:  # what it marked said nothing
            _place(mark, talk, dropped, in_system=False)  # type: ignore[arg-type]  # see above
        blocks = blocks[len(leading) :]
        if talk.turns and talk.turns[-1].speaker == turn.speaker:  # what was between them said nothing
            talk.turns[-1].blocks += blocks
        elif blocks:
            talk.turns.append(Spoken(turn.speaker, blocks))
    if open_calls:
        talk.turns.append(Spoken("user", _answered([], open_calls, dropped)))


def _called(use: ToolUse, ids: Ids, open_calls: dict[str, list[tuple[str, str]]]) -> ToolUse:
    ours = ids.next(use.id)
    open_calls.setdefault(use.id, []).append((ours, use.at))
    return use if ours == use.id else ToolUse(ours, use.name, use.input, use.at)


def _answered(blocks: list[Block], open_calls: dict[str, list[tuple[str, str]]], dropped: list[str]) -> list[Block]:
    results: list[Block] = []
    words: list[Block] = []
    home = words
    for block in blocks:
        if not isinstance(block, ToolResult):
            home = home if isinstance(block, Mark) else words  # a mark stays behind what it marks
            home.append(block)
        elif open_calls.get(block.id):
            (ours, _at), *others = open_calls.pop(block.id)
            if others:
                open_calls[block.id] = others
            home = results
            home.append(ToolResult(ours, _some(block, dropped), block.failed, block.at))
        else:
            dropped.append(block.at)
            home = words
            home.extend(part for part in block.content if not (isinstance(part, Text) and _blank(part, dropped)))
    for calls in open_calls.values():
        for ours, at in calls:
            dropped.append(at)
            results.append(ToolResult(ours, (Text(NO_RESULT),), at=at))
    open_calls.clear()
    return [*results, *words]


def _some(result: ToolResult, dropped: list[str]) -> tuple[Text | Image | Link | Document, ...]:
    content = tuple(part for part in result.content if not (isinstance(part, Text) and _blank(part, dropped)))
    return content or (Text(NO_RESULT),)
