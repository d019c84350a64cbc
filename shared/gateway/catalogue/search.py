"""Text search, the pure part: text to terms, a product to weighted terms, and how well a product matches a query."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from gateway.catalogue.products import Product
from gateway.catalogue.words import folded

QUERY_TERMS = 8
TERMS_A_PRODUCT = 40  # all entries, old and new, must fit into one transaction of 100 writes
_WORD = re.compile(r"[^\W_]+")
_LONGEST = 32
_STOP = frozenset(
    [
        "a",
        "an",
        "and",
        "any",
        "are",
        "as",
        "at",
        "best",
        "by",
        "find",
        "for",
        "from",
        "good",
        "i",
        "in",
        "is",
        "me",
        "of",
        "on",
        "or",
        "show",
        "that",
        "the",
        "to",
        "want",
        "with",
    ]
)
_WEIGHTS = {"name": 8, "tags": 5, "category": 4, "seller": 3, "specifications": 2, "description": 1}
_TAIL = 0.25  # of the best score: a product below this matches only a minor word


def terms(text: str) -> list[str]:
    """The terms of a text in order: no accents, no case, no plural, no -ing, -ed or -ation, no stop words.

    >>> terms("Wireless Headphones, noise-cancelling")
    ['wireless', 'headphone', 'noise', 'cancel']
    """
    return [_stem(word[:_LONGEST]) for word in _WORD.findall(folded(text)) if word not in _STOP]


def query_terms(text: str) -> tuple[str, ...]:
    """The first few distinct terms of a query."""
    return tuple(dict.fromkeys(terms(text)))[:QUERY_TERMS]


def weighted_terms(product: Product) -> dict[str, int]:
    """The terms that a product is found by. A term weighs as much as the fields that contain it, each counted once."""
    weights: dict[str, int] = {}
    for field, text in _texts(product).items():
        for term in set(terms(text)):
            weights[term] = weights.get(term, 0) + _WEIGHTS[field]
    heaviest = sorted(weights.items(), key=lambda pair: (-pair[1], pair[0]))
    return dict(heaviest[:TERMS_A_PRODUCT])


def scored(found: Mapping[str, Mapping[str, int]], hits: Mapping[str, int]) -> list[tuple[str, float]]:
    """Product ids with scores, best first. `found` has weights by term by product id; `hits` says how many products a
    term has.

    A rare term counts for more than a common one. A product that has all terms beats one that has a single term often.
    """
    scores = {identifier: _score(weights, hits) for identifier, weights in found.items()}
    best = max(scores.values(), default=0.0)
    kept = [(identifier, score) for identifier, score in scores.items() if score >= best * _TAIL]
    return sorted(kept, key=lambda pair: (-pair[1], pair[0]))


def _score(weights: Mapping[str, int], hits: Mapping[str, int]) -> float:
    total = sum(math.log2(1 + weight) / math.log2(2 + hits[term]) for term, weight in weights.items())
    return total * (len(weights) / len(hits)) ** 2


def _texts(product: Product) -> dict[str, str]:
    specifications = (f"{name} {value}" for name, value in product.specifications.items())
    return {
        "name": product.name,
        "tags": _joined(product.tags),
        "category": _joined(product.category.path),
        "seller": product.seller,
        "specifications": _joined(tuple(specifications)),
        "description": product.description,
    }


def _joined(parts: Sequence[str]) -> str:
    return " ".join(parts)


def _stem(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for ending in ("ation", "ing", "ed"):
        stem = word.removesuffix(ending)
        if stem != word and len(stem) >= 4:
            return stem[:-1] if stem[-1] == stem[-2] and stem[-1] not in "sz" else stem
    return word
