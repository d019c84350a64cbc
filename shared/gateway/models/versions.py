"""Which targets are one model under different names: at any provider, in any geography, with or without a version's
date. `ft:<base>` names every model that was fine-tuned from that base."""

from __future__ import annotations

import re

from gateway.models.cards import Card, Cards
from gateway.models.geographies import GEOGRAPHIES, anywhere

_DATE = re.compile(r"-(?:\d{4}-\d\d-\d\d|\d{4})$")  # gpt-4o-2024-08-06, gpt-4-0613
_TUNED = re.compile(r"([^/]+/ft:[^:]+):")  # ft:<base>, before its owner and its id


def one_model(one: str, other: str) -> bool:
    """Whether a call of one target (`provider/model`) may be answered by the model that the other one names. A name
    without a date matches each version, because it is not known here which one it stands for. Two versions are two
    models."""
    plain, others = anywhere(one), anywhere(other)
    if plain == others or plain == _wider(others) or others == _wider(plain):
        return True
    card = _card(one)
    return card is not None and card == _card(other)


def _card(target: str) -> Card | None:
    """Looks up the id as it is too, because some models answer only by their inference profiles."""
    cards = Cards.load()
    return cards.of(target) or cards.of(anywhere(target)) or _by_profile(anywhere(target))


def _by_profile(target: str) -> Card | None:
    """The card of a model that is known only by inference profiles, found by its own id."""
    provider, _, model = target.partition("/")
    found = (Cards.load().of(f"{provider}/{geography}.{model}") for geography in sorted(GEOGRAPHIES))
    return next((card for card in found if card is not None), None)


def _wider(target: str) -> str:
    tuned = _TUNED.match(target)
    return tuned[1] if tuned else _DATE.sub("", target)
