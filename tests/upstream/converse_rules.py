"""The rules of Converse that its model does not have: from AWS's documents, and from problems that users of translators
had.

They are written independently of the gateway's translation, and are simpler, because they only check.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_FILE = re.compile(r"[A-Za-z0-9()\[\]-]+( [A-Za-z0-9()\[\]-]+)*")
_MOST_MARKS, _MOST_DOCUMENTS = 4, 5


def broken_rules(body: Mapping[str, Any]) -> Iterator[str]:
    """The faults of a body that has the shape of the model, as texts that begin with a path."""
    messages = body.get("messages") or []
    yield from _turns(messages)
    for number, message in enumerate(messages):
        where = f"messages.{number}"
        if message["role"] == "user":
            yield from _user(message["content"], messages[number - 1]["content"] if number else [], where)
        else:
            yield from _assistant(message["content"], where, last=number == len(messages) - 1)
    yield from _texts("system", body.get("system", ()))
    yield from _ids(messages)
    yield from _tools(body, messages)
    yield from _marks(body, messages)
    yield from _documents(messages)
    for at, text in enumerate(body.get("inferenceConfig", {}).get("stopSequences", ())):
        if not text.strip():
            yield f"inferenceConfig.stopSequences.{at}: is blank"


def _turns(messages: Sequence[Any]) -> Iterator[str]:
    if not messages:
        yield "messages: at least one is needed"
    for number, message in enumerate(messages):
        wanted = ("user", "assistant")[number % 2]
        if message["role"] != wanted:
            yield f"messages.{number}.role: roles must alternate, and begin with the user's: {wanted} is wanted"
        if not message["content"]:
            yield f"messages.{number}.content: is empty"


def _texts(where: str, blocks: Sequence[Any]) -> Iterator[str]:
    for at, block in enumerate(blocks):
        if "text" in block and not block["text"].strip():
            yield f"The text field in the ContentBlock object at {where}.{at} is blank"


def _user(content: Sequence[Any], before: Sequence[Any], where: str) -> Iterator[str]:
    yield from _texts(f"{where}.content", content)
    called = [block["toolUse"]["toolUseId"] for block in before if "toolUse" in block]
    answered = [block["toolResult"]["toolUseId"] for block in content if "toolResult" in block]
    if sorted(called) != sorted(answered):
        yield f"{where}.content: the tool results {answered} do not answer the calls {called}"
    others = False
    for at, block in enumerate(content):
        here = f"{where}.content.{at}"
        if "toolUse" in block or "reasoningContent" in block:
            yield f"{here}: is not the user's to say"
        if "toolResult" in block:
            yield from _texts(f"{here}.toolResult.content", block["toolResult"]["content"])
            if not block["toolResult"]["content"]:
                yield f"{here}.toolResult.content: is empty"
            if others:
                yield f"{here}: tool results come first"
        elif "cachePoint" not in block:
            others = True


def _assistant(content: Sequence[Any], where: str, *, last: bool) -> Iterator[str]:
    yield from _texts(f"{where}.content", content)
    for at, block in enumerate(content):
        here = f"{where}.content.{at}"
        if not block.keys() & {"text", "toolUse", "reasoningContent", "cachePoint"}:
            yield f"{here}: is not the assistant's to say"
        if block.get("reasoningContent", {}).get("reasoningText", {}).get("signature") == "":
            yield f"{here}.reasoningContent.reasoningText.signature: is empty"
    said = [block for block in content if "cachePoint" not in block]
    if said and "reasoningContent" in said[-1]:
        yield f"{where}.content: the last block can't be reasoning"
    if last and any("toolUse" in block for block in content):
        yield f"{where}.content: tool calls without their results"
    if last and said and "text" in said[-1] and said[-1]["text"] != said[-1]["text"].rstrip():
        yield f"{where}.content: the last text can't end in whitespace"


def _ids(messages: Sequence[Any]) -> Iterator[str]:
    seen: set[str] = set()
    for number, message in enumerate(messages):
        for at, block in enumerate(message["content"]):
            where = f"messages.{number}.content.{at}"
            used = block.get("toolUse", {}).get("toolUseId")
            if used in seen:
                yield f"{where}.toolUse.toolUseId: is used twice"
            if used is not None:
                seen.add(used)
            for id in (used, block.get("toolResult", {}).get("toolUseId")):
                if id is not None and not _NAME.fullmatch(id):
                    yield f"{where}: the id must match {_NAME.pattern}"


def _tools(body: Mapping[str, Any], messages: Sequence[Any]) -> Iterator[str]:
    config = body.get("toolConfig", {})
    specs = [tool["toolSpec"] for tool in config.get("tools", ()) if "toolSpec" in tool]
    names = [spec["name"] for spec in specs]
    blocks = [block for message in messages for block in message["content"]]
    if not specs and any(block.keys() & {"toolUse", "toolResult"} for block in blocks):
        yield "toolConfig: must be there where the messages hold tool blocks"
    if "toolConfig" in body and not specs:
        yield "toolConfig.tools: holds no tool"
    if len(set(names)) != len(names):
        yield "toolConfig.tools: names must be unique"
    for at, spec in enumerate(specs):
        if spec["inputSchema"]["json"].get("type") != "object":
            yield f"toolConfig.tools.{at}.toolSpec.inputSchema.json.type: must be object"
        if not spec.get("description", "x").strip():
            yield f"toolConfig.tools.{at}.toolSpec.description: is blank"
    wanted = config.get("toolChoice", {})
    if "tool" in wanted and wanted["tool"]["name"] not in names:
        yield "toolConfig.toolChoice.tool.name: is no tool"
    own = body.get("additionalModelRequestFields", {}).get("tool_choice")
    if own is not None and not specs:
        yield "tool_choice: there are no tools"
    if own is not None and ("type" in own) == ("auto" not in wanted and bool(wanted)):
        yield "tool_choice.type: must be said once"


def _marks(body: Mapping[str, Any], messages: Sequence[Any]) -> Iterator[str]:
    homes = [("toolConfig.tools", body.get("toolConfig", {}).get("tools", [])), ("system", body.get("system", []))]
    homes += [(f"messages.{number}.content", message["content"]) for number, message in enumerate(messages)]
    ttls = []
    for where, blocks in homes:
        for at, block in enumerate(blocks):
            if "cachePoint" not in block:
                continue
            ttls.append(block["cachePoint"].get("ttl", "5m"))
            before = blocks[at - 1] if at else {"cachePoint": {}}
            if "cachePoint" in before or "reasoningContent" in before:
                yield f"{where}.{at}.cachePoint: stands behind nothing that can be kept"
    if len(ttls) > _MOST_MARKS:
        yield f"cachePoint: {len(ttls)} of them, at most {_MOST_MARKS} may be"
    if ttls != sorted(ttls):
        yield "cachePoint.ttl: one of 1h may not come after one of 5m"


def _documents(messages: Sequence[Any]) -> Iterator[str]:
    names = []
    for number, message in enumerate(messages):
        outer = [block["document"] for block in message["content"] if "document" in block]
        results = [block["toolResult"]["content"] for block in message["content"] if "toolResult" in block]
        inner = [part["document"] for content in results for part in content if "document" in part]
        if outer and not any("text" in block for block in message["content"]):
            yield f"messages.{number}.content: a document needs a text beside it"
        for document in (*outer, *inner):
            names.append(document["name"].casefold())
            if not _FILE.fullmatch(document["name"]):
                yield f"messages.{number}: the document's name holds what may not stand in one"
    if len(set(names)) != len(names):
        yield "messages: can't contain duplicate document names"
    if len(names) > _MOST_DOCUMENTS:
        yield f"messages: can't include more than {_MOST_DOCUMENTS} documents"
