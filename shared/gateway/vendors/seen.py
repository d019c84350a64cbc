"""How much of an answer an event shows: what is billed where nobody counts, since the rest of it never came."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Final

from gateway.dialects.neutral import Rest, text_of
from gateway.dialects.pairs import Piece
from gateway.dialects.values import mapping, objects

_NOTHING_SAID: Final = ("role", "type", "index")


def seen(piece: Piece, *, same: bool) -> tuple[int, int]:
    """Pieces that are not empty, each a token at least, and their bytes, each token one at least. `same`: the event is
    the provider's own; in chat's all choices are looked at, and all that stands in one, whatever it is called."""
    choices = piece.event.get("choices") if same and piece.event else None
    if isinstance(choices, list):
        said = ["".join(_texts(mapping(choice.get("delta")))) for choice in objects(choices)]
    else:
        said = [_rest(each) if isinstance(each, Rest) else text_of(each) for each in piece.deltas]
    sizes = [len(text.encode(errors="replace")) for text in said if text]
    return len(sizes), sum(sizes)


def _rest(rest: Rest) -> str:
    return json.dumps(rest.message, ensure_ascii=False) if rest.message else ""


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, below in value.items():
            if name not in _NOTHING_SAID:
                yield from _texts(below)
    elif isinstance(value, list):
        for below in value:
            yield from _texts(below)
