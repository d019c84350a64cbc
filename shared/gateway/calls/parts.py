"""The typed parts of a prompt in any dialect: their paths, whether their bytes bound their tokens, which are images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from gateway.calls.items import Part, is_left_out, listed
from gateway.dialects.values import objects

_IMAGES: Final = ("image_url", "input_image")
_CALLS: Final = (
    "tool_use",
    "tool_result",
    "function_call",
    "function_call_output",
    "custom_tool_call",
    "custom_tool_call_output",
    "local_shell_call",
    "local_shell_call_output",
    "shell_call",
    "shell_call_output",
    "apply_patch_call",
    "apply_patch_call_output",
    "tool_search_call",
    "tool_search_output",
)
# Parts whose bytes, with those of the parts within them, bound their tokens. Any other part refers to or unpacks to
# something that the gateway does not see (a PDF, a file's id, what a provider's own tool found).
_BOUNDED: Final = frozenset(
    (
        *_IMAGES,
        *_CALLS,
        "text",
        "refusal",
        "input_audio",
        "thinking",
        "redacted_thinking",
        "search_result",
        # From Responses: the parts of a message, and items.
        "input_text",
        "output_text",
        "message",
        "reasoning",
        "additional_tools",
        "compaction",
    )
)
_HOLD_OUTPUT: Final = ("function_call_output", "custom_tool_call_output")
_HOLD_CONTENT: Final = ("tool_result", "search_result", "message")
_HOLDERS: Final = (*_HOLD_CONTENT, *_HOLD_OUTPUT, "document")
# Tools that the caller describes. A provider describes all others to the model in its own text. For the known
# tools, it has documented how long that text is.
_DESCRIBED: Final = (None, "function", "custom", "namespace", "tool_search")
_KNOWN_TOOLS: Final = ("bash_", "text_editor_", "computer_")
_KNOWN_TOOL_TOKENS: Final = 2_000
_CUSTOM_TOOL_TOKENS: Final = 200  # what a tool that takes text needs in addition if it is sent as a function

# Fields of a body, in any dialect, that may bring more into a prompt than the texts of its messages, or have a price.
_MORE: Final = frozenset(
    (
        "functions",
        "input",
        "output_config",
        "prediction",
        "prompt_cache_options",
        "prompt_cache_retention",
        "response_format",
        "system",
        "text",
        "tools",
    )
)

PathAndPart = tuple[str, Part]


def is_plain(body: Mapping[str, Any]) -> bool:
    """Whether a prompt is nothing but the texts of its messages, as most are. Then there are no parts, no tools and no
    calls of tools to look for, and the answer follows no schema."""
    if not _MORE.isdisjoint(body):
        return False
    for message in listed(body.get("messages")):
        if type(message) is not dict or len(message) != 2:
            return False
        if "role" not in message or type(message.get("content")) is not str:
            return False
    return True


def parts_of(body: Mapping[str, Any]) -> list[PathAndPart]:
    """The typed parts of the messages and of the system prompt or input before them, and the parts within those, each
    with its path. An item of an input is a part too. Whatever looks like a part elsewhere is text."""
    found: list[PathAndPart] = []
    for name in ("system", "input"):
        if type(body.get(name)) is list:
            _collect(name, body[name], found)
    for at, message in enumerate(objects(body.get("messages"))):
        content = message.get("content")
        if type(content) is list:
            _collect(f"messages[{at}].content", content, found)
    return found


def _collect(home: str, content: list[Any], found: list[PathAndPart]) -> None:
    waiting: list[tuple[str, Any]] = [(home, content)]
    while waiting:
        above, content = waiting.pop()
        for index, part in enumerate(content if isinstance(content, list) else ()):
            if not isinstance(part, dict):
                continue  # bytes
            where = f"{above}[{index}]"
            if above == "input" and "type" not in part:
                part = {**part, "type": "message"}
            found.append((where, part))
            if part.get("type") in _HOLDERS:
                waiting += [(f"{where}.{name}", inner) for name, inner in _inside(part)]


def is_image(part: Part) -> bool:
    """Whether the part is counted as an image, and not by the bytes of its data."""
    return part.get("type") in _IMAGES or (part.get("type") == "image" and _shows(part.get("source")))


def tools_and_calls(body: Mapping[str, Any], tools: Iterable[PathAndPart], parts: Iterable[PathAndPart]) -> list[Any]:
    """The tools, the calls of tools, and their results."""
    found = [tool for _, tool in tools]
    found += listed(body.get("functions"))
    for message in objects(body.get("messages")):
        found += listed(message.get("tool_calls"))
    return found + [part for _, part in parts if part.get("type") in _CALLS]


def wants_schema(body: Mapping[str, Any]) -> bool:
    """Whether the answer must follow a schema. An additional text says so to some models."""
    if body.get("response_format"):
        return True
    for home in ("output_config", "text"):
        said = body.get(home)
        if isinstance(said, dict) and said.get("format"):
            return True
    return False


def told_of_tools(tools: Iterable[PathAndPart]) -> int:
    """The most tokens that tools add to those of the body. A provider's own tools have its descriptions, as far as
    their length is known. A caller's tools may be sent in another form than the body's: with the namespace before each
    name, or with a schema."""
    told = 0
    for _, tool in tools:
        told += _KNOWN_TOOL_TOKENS * _is_known(tool) + _CUSTOM_TOOL_TOKENS * (tool.get("type") == "custom")
        if tool.get("type") == "namespace":
            told += (len(str(tool.get("name")).encode(errors="replace")) + 2) * len(objects(tool.get("tools")))
    return told


def unbounded(body: Mapping[str, Any], tools: Iterable[PathAndPart], parts: Iterable[PathAndPart]) -> str | None:
    """The path of the first thing that the body names but does not contain, or None."""
    for where, tool in tools:
        if tool.get("type") not in _DESCRIBED and not _is_known(tool) and not is_left_out(tool, body):
            return where
    for where, part in parts:
        kind = part.get("type")
        if kind in _IMAGES and _is_no_image(part.get("image_url")):
            return where
        if not isinstance(kind, str) or (
            kind not in _BOUNDED and not is_image(part) and not (kind == "document" and _is_text(part))
        ):
            return where
    for number, message in enumerate(objects(body.get("messages"))):
        if message.get("audio"):  # an earlier answer, by its id
            return f"messages[{number}].audio"
    return None


def without_data(body: Mapping[str, Any]) -> dict[str, Any]:
    """The body without its images' data."""
    bare = dict(body)
    if isinstance(body.get("input"), list):
        bare["input"] = [_bare_part(item) for item in body["input"]]
    if messages := listed(body.get("messages")):
        bare["messages"] = [_bare(each) if isinstance(each, Mapping) else each for each in messages]
    return bare


def _inside(part: Part) -> Iterator[tuple[str, Any]]:
    source = part.get("source")
    kind = part.get("type")
    if kind in _HOLD_CONTENT:
        yield "content", part.get("content")
    elif kind in _HOLD_OUTPUT:
        yield "output", part.get("output")
    elif kind == "document" and isinstance(source, Mapping) and source.get("type") == "content":
        yield "source.content", source.get("content")


def _bare(holder: Mapping[str, Any]) -> Mapping[str, Any]:
    """A message, a part or a source that holds parts, without the data of the images among them."""
    found = {name: holder[name] for name in ("content", "output") if isinstance(holder.get(name), list)}
    return {**holder, **{name: [_bare_part(part) for part in held] for name, held in found.items()}}


def _bare_part(part: Any) -> Any:
    if not isinstance(part, Mapping):
        return part
    if part.get("type") in _IMAGES:
        image = part.get("image_url")
        kept = {name: value for name, value in image.items() if name != "url"} if isinstance(image, Mapping) else None
        return {**part, "image_url": kept}
    if is_image(part):
        return {**part, "source": {name: value for name, value in part["source"].items() if name != "data"}}
    for name, _inner in _inside(part):
        return {**part, "source": _bare(part["source"])} if name == "source.content" else _bare(part)
    return _bare(part) if "role" in part else part  # an item need not say that it is a message


def _shows(source: Any) -> bool:
    """Whether this is the source of an image."""
    if not isinstance(source, Mapping):
        return False
    media = source.get("media_type")
    held = isinstance(source.get("data"), str) and isinstance(media, str) and media.casefold().startswith("image/")
    return source.get("type") == "url" or (source.get("type") == "base64" and held)


def _is_text(document: Part) -> bool:
    """Whether the document's bytes bound its tokens: it is text or parts, and nothing in it is numbered for
    citations."""
    source, cited = document.get("source"), document.get("citations")
    held = isinstance(source, Mapping) and source.get("type") in ("text", "content")
    return held and not (isinstance(cited, Mapping) and cited.get("enabled"))


def _is_known(tool: Mapping[str, Any]) -> bool:
    kind = tool.get("type")
    return isinstance(kind, str) and kind.startswith(_KNOWN_TOOLS)


def _is_no_image(given: Any) -> bool:
    """Whether this is a data URL that holds something else: some hosts accept a PDF or a video as an image."""
    url = given.get("url") if isinstance(given, Mapping) else given
    head = url[:64].strip().casefold() if isinstance(url, str) else ""
    return head.startswith("data:") and not head.removeprefix("data:").lstrip().startswith("image/")
