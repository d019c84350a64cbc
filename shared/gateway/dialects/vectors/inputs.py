"""The requests to embedding models, in no vendor's form."""

from __future__ import annotations

import unicodedata
from typing import Any, Final

from msgspec import Struct

_AROUND: Final = 8  # tokens that a model's own format adds to a text
Tokens = list[int]


class Inputs(Struct, frozen=True):
    """`dimensions` is the length that the vectors shall have. `purpose` is their use, in the words of `input_type`.
    None means that the field was not sent."""

    texts: tuple[str, ...]
    dimensions: int | None = None
    purpose: str | None = None


def inputs_of(value: Any) -> list[str | Tokens]:
    """Each input of a request that was checked before: a text, or a text's tokens."""
    if isinstance(value, str) or isinstance(value[0], int):
        return [value]
    return list(value)


def most_tokens(text: str) -> int:
    """The most tokens that a text can have: a byte-level token has at least one byte. Some tokenizers normalise first
    (NFKC), which can turn one character into eighteen."""
    size = len(text.encode(errors="surrogatepass"))
    if not unicodedata.is_normalized("NFKC", text):
        by = {each: len(unicodedata.normalize("NFKC", each).encode(errors="surrogatepass")) for each in set(text)}
        size = max(size, sum(map(by.__getitem__, text)))
    return size + _AROUND
