"""The typed parts of a message's content."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.dialects.files import DOCUMENTS, IMAGES, base64_of, data_url
from gateway.dialects.neutral import Document, Image, Link, Reasoning, Redacted, Text
from gateway.dialects.unsupported import name_unknown, refuse
from gateway.dialects.values import mapping

Part = Text | Image | Link | Document | Reasoning | Redacted


def text_part(part: Mapping[str, Any], where: str, dropped: list[str], *, kinds: str = "text") -> Text:
    """The text of a text part. Raises Unsupported for any other part; `kinds` are the types that are allowed there."""
    kind = part.get("type")
    if kind in ("text", "refusal") and isinstance(part.get(kind), str):
        name_unknown(part, ("type", kind, "cache_control"), where, dropped)
        return Text(part[kind], at=where)
    raise refuse(where, f"must be a part of the type {kinds} with this model")


def user_part(part: Mapping[str, Any], where: str, dropped: list[str]) -> Text | Image | Link | Document:
    """A part of a message by a user or a tool: text, an image, a file."""
    kind = part.get("type")
    if kind == "image_url":
        name_unknown(part, ("type", "image_url", "cache_control"), where, dropped)
        return _image(part.get("image_url"), f"{where}.image_url", dropped)
    if kind == "file":
        name_unknown(part, ("type", "file", "cache_control"), where, dropped)
        return _file(mapping(part.get("file")), f"{where}.file", dropped)
    return text_part(part, where, dropped, kinds="text, image_url or file")


def assistant_part(part: Mapping[str, Any], where: str, dropped: list[str]) -> Text | Reasoning | Redacted:
    """A part of a message by a model: text or reasoning."""
    if part.get("type") in ("thinking", "redacted_thinking"):
        return thinking_part(part, where, dropped)
    return text_part(part, where, dropped)


def thinking_part(part: Mapping[str, Any], where: str, dropped: list[str]) -> Reasoning | Redacted:
    """Reasoning in the form in which the gateway gave it. Raises Unsupported if the part holds none."""
    if part.get("type") == "redacted_thinking" and isinstance(part.get("data"), str):
        name_unknown(part, ("type", "data"), where, dropped)
        return Redacted(base64_of(part["data"], f"{where}.data"), at=where)
    if part.get("type") == "thinking" and isinstance(part.get("thinking"), str):
        name_unknown(part, ("type", "thinking", "signature"), where, dropped)
        signature = part.get("signature")
        return Reasoning(part["thinking"], signature if isinstance(signature, str) else "", at=where)
    raise refuse(where, "must be a thinking block, unchanged")


def _image(given: object, where: str, dropped: list[str]) -> Image | Link:
    image = {"url": given} if isinstance(given, str) else mapping(given)
    if image.get("detail") not in (None, "auto"):
        dropped.append(f"{where}.detail")
    name_unknown(image, ("url", "detail"), where, dropped)
    url = image.get("url")
    if isinstance(url, str) and url[:8].casefold().startswith(("https://", "http://")):
        return Link("image", url, at=where)
    media, data = data_url(image.get("url"))
    kind, _, name = media.partition("/")
    if kind != "image" or name not in IMAGES:
        raise refuse(where, "must be a base64 data URL of a png, jpeg, gif or webp image")
    return Image(IMAGES[name], base64_of(data, where), at=where)


def _file(given: Mapping[str, Any], where: str, dropped: list[str]) -> Document:
    media, data = data_url(given.get("file_data"))
    name = given.get("filename")
    stem, _, ending = (name if isinstance(name, str) else "").rpartition(".")
    kind = DOCUMENTS.get(media) or (ending.lower() if media in ("", "application/octet-stream") else "")
    if kind not in DOCUMENTS.values():
        raise refuse(f"{where}.file_data", "must be a base64 data URL of a pdf, text, Word or Excel file")
    name_unknown(given, ("file_data", "filename"), where, dropped)
    return Document(kind, stem or (name if isinstance(name, str) else ""), base64_of(data, f"{where}.file_data"), where)


def written(block: Text | Image | Link | Document) -> dict[str, Any]:
    """The part for this block. Raises Unsupported for a document by URL: chat has no such part."""
    if isinstance(block, Text):
        return {"type": "text", "text": block.text}
    if isinstance(block, Image):
        return {"type": "image_url", "image_url": {"url": f"data:image/{block.format};base64,{block.data}"}}
    if isinstance(block, Link):
        if block.kind == "document":
            raise refuse(block.at, "must be a document as base64 in the request itself")
        return {"type": "image_url", "image_url": {"url": block.url}}
    media = next(media for media, kind in DOCUMENTS.items() if kind == block.format)
    file = {"filename": f"{block.name or 'document'}.{block.format}", "file_data": f"data:{media};base64,{block.data}"}
    return {"type": "file", "file": file}


def thinking(block: Reasoning | Redacted) -> dict[str, Any]:
    """A thinking block in the form in which clients get it and send it back."""
    if isinstance(block, Redacted):
        return {"type": "redacted_thinking", "data": block.data}
    signed = {"signature": block.signature} if block.signature else {}
    return {"type": "thinking", "thinking": block.text, **signed}
