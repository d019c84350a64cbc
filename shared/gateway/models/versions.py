"""Which targets are one model, whatever they are called: whoever serves it, in every geography, with a version's date
or without it, and of tuned ones all that have one base."""

from __future__ import annotations

import re

from gateway.models.cards import Cards
from gateway.models.geographies import anywhere

_DATE = re.compile(r"-(?:\d{4}-\d\d-\d\d|\d{4})$")  # gpt-4o-2024-08-06, gpt-4-0613
_TUNED = re.compile(r"([^/]+/ft:[^:]+):")  # ft:<base>, before whose it is and which


def one_model(one: str, other: str) -> bool:
    """Whether a call of the one target (`provider/model`) may be answered by the model that the other names. Nobody
    here knows which of its versions a name without a date stands for: it is each of them. Two versions are two models.
    """
    one, other = anywhere(one), anywhere(other)
    return one == other or one == _wider(other) or other == _wider(one) or _one_card(one, other)


def _one_card(one: str, other: str) -> bool:
    cards = Cards.load()
    card = cards.of(one)
    return card is not None and card == cards.of(other)


def _wider(target: str) -> str:
    tuned = _TUNED.match(target)
    return tuned[1] if tuned else _DATE.sub("", target)
