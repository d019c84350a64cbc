"""A model that does what a client's request asks for: it calls the tool that is offered, fills in a schema, and repeats
the results of tools. `fake.decide = oblige`: for clients whose requests no test writes itself, in any dialect.

If a prompt has words for the fake (`[[fake ...]]`), those are followed until tools have answered.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.upstream.responses_api import last_input_text
from tests.upstream.server import Seen
from tests.upstream.steering import Steer, last_user_text, text_of

_NUMBER = re.compile(r"-?\d+")
_QUOTED = re.compile(r"['\"]([^'\"]+)['\"]")


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that a request offers."""

    name: str
    schema: Mapping[str, Any]


def oblige(seen: Seen) -> Steer | None:
    """The answer; None if the prompt itself has the steering, or if any text will do."""
    body = seen.body
    results = tool_results(body)
    if results:
        return Steer(text="The tools said: " + "; ".join(results))
    prompt = last_user_text(body.get("messages") or []) or last_input_text(body.get("input"))
    if "[[fake " in prompt:
        return None
    tool = _wanted(body)
    if tool is not None:
        return Steer(tool=tool.name, arguments=json.dumps(filled(tool.schema, prompt), ensure_ascii=False))
    schema = _answer_schema(body, prompt)
    return None if schema is None else Steer(text=json.dumps(filled(schema, prompt), ensure_ascii=False))


def tool_results(body: Mapping[str, Any]) -> list[str]:
    """The results of tools since the model's last turn, as text; empty if the last turn is the user's."""
    found: list[str] = []
    given = body.get("messages") or body.get("input")
    # a list of texts contains none
    turns = [each for each in given if isinstance(each, dict)] if isinstance(given, list) else []
    for message in reversed(turns):
        if str(message.get("type")).endswith("_call_output"):
            found.insert(0, text_of(message.get("output")))
            continue
        if message.get("role") == "tool":
            found.insert(0, text_of(message.get("content")))
            continue
        if message.get("role") == "system":
            continue  # a turn of the client itself between the two
        content = message.get("content")
        blocks = content if isinstance(content, list) and message.get("role") == "user" else []
        said = [text for block in blocks if isinstance(block, dict) for text in _said(block)]
        return said + found
    return found


def offered(body: Mapping[str, Any]) -> list[Tool]:
    """The tools of a request, in their order."""
    given = body.get("tools") or (body.get("toolConfig") or {}).get("tools") or []
    return [tool for each in given if (tool := _tool(each)) is not None]


def filled(schema: Mapping[str, Any], prompt: str, defined: Mapping[str, Any] | None = None) -> Any:
    """A value that a JSON schema describes. Numbers and quoted words are taken from the prompt, if it has some."""
    defined = schema.get("$defs", schema.get("definitions", {})) if defined is None else defined
    if "$ref" in schema:
        return filled(defined[str(schema["$ref"]).rpartition("/")[2]], prompt, defined)
    for name in ("const", "default"):
        if schema.get(name) is not None:
            return schema[name]
    if schema.get("enum"):
        return schema["enum"][0]
    for name in ("anyOf", "oneOf", "allOf"):
        if schema.get(name):
            return filled(schema[name][0], prompt, defined)
    kind = schema.get("type")
    if kind == "object" or "properties" in schema:
        return {name: filled(each, prompt, defined) for name, each in (schema.get("properties") or {}).items()}
    if kind == "array":
        return [filled(schema.get("items") or {}, prompt, defined)]
    number, quoted = _NUMBER.search(prompt), _QUOTED.search(prompt)
    known: dict[Any, Any] = {"integer": int(number[0]) if number else 1, "boolean": True, "null": None}
    known["number"] = known["integer"]
    return known.get(kind, quoted[1] if quoted else "some text")


def _said(block: Mapping[str, Any]) -> list[str]:
    if block.get("type") == "tool_result":
        content = block.get("content")
        return [text_of(content)]
    result = block.get("toolResult")
    if isinstance(result, dict):
        parts = result.get("content") or []
        return [" ".join(str(part.get("text", json.dumps(part.get("json")))) for part in parts)]
    return []


def _tool(given: Mapping[str, Any]) -> Tool | None:
    if isinstance(given.get("function"), dict):
        return Tool(given["function"]["name"], given["function"].get("parameters") or {})
    if isinstance(given.get("toolSpec"), dict):
        return Tool(given["toolSpec"]["name"], given["toolSpec"]["inputSchema"]["json"])
    schema = given.get("input_schema") or given.get("parameters")
    return None if schema is None else Tool(given["name"], schema)


def _wanted(body: Mapping[str, Any]) -> Tool | None:
    """The tool that the choice names, or the first one; None if no tool may be called."""
    choice = body.get("tool_choice") or (body.get("toolConfig") or {}).get("toolChoice") or "auto"
    tools = offered(body)
    if not tools or choice == "none" or (isinstance(choice, dict) and choice.get("type") == "none"):
        return None
    named = ""
    if isinstance(choice, dict):
        named = (choice.get("function") or choice.get("tool") or choice).get("name", "")
    return next((tool for tool in tools if tool.name == named), tools[0])


def _answer_schema(body: Mapping[str, Any], prompt: str) -> Mapping[str, Any] | None:
    """The schema that the answer's text must follow, if the request has one."""
    asked = body.get("response_format") or (body.get("text") or {}).get("format") or {}
    if asked.get("type") == "json_object":
        return {"type": "object", "properties": {name: {"type": "string"} for name in _QUOTED.findall(prompt)}}
    wanted = (
        (asked if "schema" in asked else asked.get("json_schema"))
        or (body.get("output_config") or {}).get("format")
        or {}
    )
    structure = ((body.get("outputConfig") or {}).get("textFormat") or {}).get("structure") or {}
    schema = json.loads(structure["jsonSchema"]["schema"]) if structure else wanted.get("schema")
    return schema if isinstance(schema, dict) else None
