"""Carries a model's signed reasoning to the client and back in a reasoning item's `encrypted_content`.

It holds what the model's own provider verifies: the text with its signature, or the block that only the provider can
read. It is packed, not encrypted: the provider refuses it if a client changes it, as with a client of Messages.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Final

from gateway.dialects.neutral import Reasoning, Redacted
from gateway.dialects.values import json_object

_PREFIX: Final = "signed1:"


def packed(thought: Reasoning | Redacted) -> str:
    """The packed reasoning; empty if it is unsigned, since there is nothing to carry."""
    if isinstance(thought, Redacted):
        held = {"data": thought.data}
    elif thought.signature:
        held = {"text": thought.text, "signature": thought.signature}
    else:
        return ""
    return _PREFIX + base64.urlsafe_b64encode(json.dumps(held, separators=(",", ":")).encode()).decode()


def is_packed(content: object) -> bool:
    return isinstance(content, str) and content.startswith(_PREFIX)


def unpacked(content: object, at: str) -> Reasoning | Redacted | None:
    """The unpacked reasoning; None if it is not ours or is damaged."""
    if not isinstance(content, str) or not content.startswith(_PREFIX):
        return None
    try:
        held = json_object(base64.b64decode(content.removeprefix(_PREFIX), altchars=b"-_", validate=True)) or {}
        if isinstance(data := held.get("data"), str) and data:
            binascii.a2b_base64(data, strict_mode=True)
            return Redacted(data, at)
    except ValueError:
        return None
    text, signature = held.get("text"), held.get("signature")
    if isinstance(text, str) and isinstance(signature, str) and signature:
        return Reasoning(text, signature, at)
    return None
