"""What embedding models are asked, in no vendor's form."""

from __future__ import annotations

import unicodedata
from typing import Any, Final, NamedTuple

_AROUND: Final = 8  # tokens that a model's own format adds to a text
Tokens = list[int]


class Inputs(NamedTuple):
    """`dimensions` is the length that the vectors shall have, `purpose` what they shall be used for, in the words of
    `input_type`; None is what was not said."""

    texts: tuple[str, ...]
    dimensions: int | None = None
    purpose: str | None = None


def inputs_of(value: Any) -> list[str | Tokens]:
    """Each input of a request whose form was checked: a text, or a text's tokens."""
    if isinstance(value, str) or isinstance(value[0], int):
        return [value]
    return list(value)


def most_tokens(text: str) -> int:
    """The most that a text comes to: a byte is never less than a byte-level token. Some tokenizers normalise first
    (NFKC), and one character may become eighteen."""
    size = len(text.encode(errors="surrogatepass"))
    if not unicodedata.is_normalized("NFKC", text):
        by = {each: len(unicodedata.normalize("NFKC", each).encode(errors="surrogatepass")) for each in set(text)}
        size = max(size, sum(map(by.__getitem__, text)))
    return size + _AROUND
