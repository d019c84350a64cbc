"""The typed parts of an item's content or output."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway.dialects.files import DOCUMENTS, IMAGES, base64_of, data_url
from gateway.dialects.neutral import Document, Image, Link, Text
from gateway.dialects.unsupported import name_unknown, refuse
from gateway.dialects.values import mapping

Part = Text | Image | Link | Document
_TEXTS: Final = ("input_text", "output_text", "text")
# Members that other dialects do not need: their caches need no marks of this kind, or have their own.
_BESIDE: Final = ("type", "prompt_cache_breakpoint")


def parts_of(content: Any, where: str, dropped: list[str]) -> Iterator[Part]:
    """The parts of a text or of a list of parts. Raises Unsupported."""
    if isinstance(content, str):
        yield Text(content, at=where)
        return
    for index, given in enumerate(content or ()):
        yield part_of(mapping(given), f"{where}[{index}]", dropped)


def part_of(part: Mapping[str, Any], where: str, dropped: list[str]) -> Part:
    kind = part.get("type")
    if part.get("prompt_cache_breakpoint") is not None:
        dropped.append(f"{where}.prompt_cache_breakpoint")
    if kind in _TEXTS:
        said = {name: value for name, value in part.items() if name != "logprobs"}
        name_unknown(said, (*_BESIDE, "text", "annotations"), where, dropped)
        if part.get("annotations"):
            dropped.append(f"{where}.annotations")
        return Text(_text(part.get("text"), f"{where}.text"), at=where)
    if kind == "refusal":
        name_unknown(part, ("type", "refusal"), where, dropped)
        return Text(_text(part.get("refusal"), f"{where}.refusal"), at=where)
    if kind in ("input_image", "computer_screenshot"):
        name_unknown(part, (*_BESIDE, "image_url", "detail"), where, dropped)
        if part.get("detail") not in (None, "auto"):
            dropped.append(f"{where}.detail")
        return _image(part.get("image_url"), f"{where}.image_url")
    if kind == "input_file":
        return _file(part, where, dropped)
    raise refuse(f"{where}.type", "not supported by this model")


def _image(url: object, where: str) -> Image | Link:
    if isinstance(url, str) and url[:8].casefold().startswith(("https://", "http://")):
        return Link("image", url, at=where)
    media, data = data_url(url)
    kind, _, name = media.partition("/")
    if kind != "image" or name not in IMAGES:
        raise refuse(where, "must be a base64 data URL of a png, jpeg, gif or webp image")
    return Image(IMAGES[name], base64_of(data, where), at=where)


def _file(part: Mapping[str, Any], where: str, dropped: list[str]) -> Document | Link:
    name_unknown(part, (*_BESIDE, "file_data", "file_url", "filename", "detail"), where, dropped)
    if part.get("detail") not in (None, "auto"):
        dropped.append(f"{where}.detail")
    name = part.get("filename")
    given = name if isinstance(name, str) else ""
    stem, _, ending = given.rpartition(".")
    url = part.get("file_url")
    if isinstance(url, str) and part.get("file_data") is None:
        return Link("document", url, stem or given, at=f"{where}.file_url")
    media, data = data_url(part.get("file_data"))
    kind = DOCUMENTS.get(media) or (ending.lower() if media in ("", "application/octet-stream") else "")
    if kind not in DOCUMENTS.values():
        raise refuse(f"{where}.file_data", "must be a base64 data URL of a pdf, text, Word or Excel file")
    return Document(kind, stem or given, base64_of(data, f"{where}.file_data"), where)


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise refuse(where, "is required, as text")
    return value


def written(block: Part) -> dict[str, Any]:
    """The part for this block."""
    if isinstance(block, Text):
        return {"type": "input_text", "text": block.text}
    if isinstance(block, Image):
        return {
            "type": "input_image",
            "image_url": f"data:image/{block.format};base64,{block.data}",
            "detail": "auto",
        }
    if isinstance(block, Link):
        if block.kind == "image":
            return {"type": "input_image", "image_url": block.url, "detail": "auto"}
        return {"type": "input_file", "file_url": block.url}
    media = next(media for media, kind in DOCUMENTS.items() if kind == block.format)
    data = f"data:{media};base64,{block.data}"
    return {"type": "input_file", "filename": f"{block.name or 'document'}.{block.format}", "file_data": data}
