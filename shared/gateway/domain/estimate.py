"""What a call may cost at most, before it is made. A hold is never less than what a correct bill can be."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.domain.money import MICRO, Price

_IMAGE_TOKENS = 3_000  # more than OpenAI (1,445 at high detail) or Claude (1,600) count for the largest image
_MESSAGE_TOKENS = 8  # what a chat format adds around a message


@dataclass(frozen=True, slots=True)
class Estimate:
    """`cost` is the upper bound in micro-dollars. `tokens` is what the token limit counts: four bytes of prompt a
    token, as OpenAI's own limiter has it, and the whole output cap; a rate is no promise of money."""

    cost: int
    tokens: int


def estimate(body: Mapping[str, Any], price: Price, *, choices: int, output_cap: int) -> Estimate:
    """The upper bound for one attempt.

    A byte is never less than a byte-level token, so the body's bytes bound its tokens; images are counted apart, by
    their number, not by the bytes of their data. The output is `choices` times the enforced cap.
    """
    text, images = _bounds(body)
    prompt = text + _MESSAGE_TOKENS * len(body.get("messages") or ()) + images * _IMAGE_TOKENS
    price = price.for_prompt(prompt)
    dearest = max(price.input, price.cache_write or 0, price.cache_write_1h or 0)
    output = choices * output_cap
    cost = -(-(prompt * dearest + output * price.output) // MICRO) + 1  # each part of a bill is rounded up by itself
    return Estimate(cost + images * (price.image or 0), -(-text // 4) + images * _IMAGE_TOKENS + output)


def _bounds(body: Mapping[str, Any]) -> tuple[int, int]:
    images = 0

    def without_data(value: Any) -> Any:
        nonlocal images
        if isinstance(value, Mapping):
            if value.get("type") in ("image_url", "input_image"):
                images += 1
                return None
            return {name: without_data(part) for name, part in value.items()}
        return [without_data(part) for part in value] if isinstance(value, list) else value

    bare = without_data(body)
    text = json.dumps(bare, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
    return len(text), images
