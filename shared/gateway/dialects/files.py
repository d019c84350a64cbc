"""Images and documents as base64: the supported formats, and the checks of their encoding."""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from typing import Final

from gateway.dialects.unsupported import refuse

IMAGES: Final[Mapping[str, str]] = {"png": "png", "jpeg": "jpeg", "jpg": "jpeg", "gif": "gif", "webp": "webp"}
# By media type, and by a file name's ending.
DOCUMENTS: Final[Mapping[str, str]] = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "text/html": "html",
    "text/plain": "txt",
    "text/markdown": "md",
}


def base64_of(data: str, where: str) -> str:
    """The base64, checked, with the padding that some clients leave out. Raises Unsupported."""
    data += "=" * (-len(data) % 4)
    try:
        binascii.a2b_base64(data, strict_mode=True)
    except ValueError:
        raise refuse(where, "must be base64") from None
    if not data:
        raise refuse(where, "must be base64, and not empty")
    return data


def data_url(given: object) -> tuple[str, str]:
    """The media type in lower case and the base64 text; the text is empty if this is not such a URL."""
    head, comma, data = (given if isinstance(given, str) else "").partition(",")
    scheme, _, parameters = head.partition(":")
    media, *more = (each.strip().lower() for each in parameters.split(";"))
    if scheme.strip().lower() != "data" or not comma or "base64" not in more:
        return "none", ""
    return media, data
