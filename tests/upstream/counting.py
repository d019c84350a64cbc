"""Token counts and texts, which are the same for the same request: about four bytes a token, as in English."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from tests.upstream.steering import Steer

_TEXT = "the gateway counts every token and each answer is made of words such as these so that a stream has parts"
_WORDS = _TEXT.split()
_PIECE = re.compile(r"\s*\S+")


def tokens(value: Any) -> int:
    """The tokens of a text, or of the texts in a JSON value. At least 1 unless it is empty."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    size = len(text.encode("utf-8", "replace"))
    return -(-size // 4)


def reply(prompt: str, cap: int, steer: Steer) -> tuple[str, int, bool]:
    """Text, output tokens, and whether the cap cut it short. The text depends only on the prompt."""
    if steer.text:
        return steer.text, tokens(steer.text), False
    seed = hashlib.sha256(prompt.encode("utf-8", "replace")).digest()
    words = [f"Reply {seed.hex()[:8]}:", *(_WORDS[byte % len(_WORDS)] for byte in seed)]
    whole = " ".join(words)
    if tokens(whole) <= cap:
        return whole, tokens(whole), False
    return whole[: cap * 4], cap, True


def pieces(text: str) -> list[str]:
    """The text in words, as a stream carries it. Joined, they are the text again."""
    found = _PIECE.findall(text)
    rest = text[sum(map(len, found)) :]
    return [*found, rest] if rest else found
