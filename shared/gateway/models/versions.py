"""Which targets are one model, whatever they are called: whoever serves it, in every geography, with a version's date
or without it, and of tuned ones all that have one base."""

from __future__ import annotations

import re

from gateway.models.cards import Card, Cards
from gateway.models.geographies import GEOGRAPHIES, anywhere

_DATE = re.compile(r"-(?:\d{4}-\d\d-\d\d|\d{4})$")  # gpt-4o-2024-08-06, gpt-4-0613
_TUNED = re.compile(r"([^/]+/ft:[^:]+):")  # ft:<base>, before whose it is and which


def one_model(one: str, other: str) -> bool:
    """Whether a call of the one target (`provider/model`) may be answered by the model that the other names. Nobody
    here knows which of its versions a name without a date stands for: it is each of them. Two versions are two models.
    """
    plain, others = anywhere(one), anywhere(other)
    if plain == others or plain == _wider(others) or others == _wider(plain):
        return True
    card = _card(one)
    return card is not None and card == _card(other)


def _card(target: str) -> Card | None:
    """By the id as it is too: some models answer by their inference profiles alone."""
    cards = Cards.load()
    return cards.of(target) or cards.of(anywhere(target)) or _by_profile(anywhere(target))


def _by_profile(target: str) -> Card | None:
    """The card of a model that is known by inference profiles alone, by its own id."""
    provider, _, model = target.partition("/")
    found = (Cards.load().of(f"{provider}/{geography}.{model}") for geography in sorted(GEOGRAPHIES))
    return next((card for card in found if card is not None), None)


def _wider(target: str) -> str:
    tuned = _TUNED.match(target)
    return tuned[1] if tuned else _DATE.sub("", target)
