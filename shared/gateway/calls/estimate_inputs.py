"""The most that a call of any kind may cost, and how that is known for embeddings: see `gateway.calls.estimate`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.calls.estimate import Estimate, estimated
from gateway.dialects.vectors.inputs import inputs_of, most_tokens
from gateway.models.model_names import Route
from gateway.models.money import MICRO, Price
from gateway.vendors.base import ModelCall

_AROUND = 128  # what a model's format may add around the whole
_TYPICAL_BYTES, _RATE_BYTES = 3, 4  # per token


def priced(call: ModelCall, route: Route) -> tuple[ModelCall, Estimate]:
    """The most that a call costs, and the call as that is true of it."""
    if call.mode == "embedding":
        return call, estimate_inputs(call.body, route.price)
    return estimated(call, route.price, target=route.target)


def estimate_inputs(body: Mapping[str, Any], price: Price) -> Estimate:
    """The upper bound for one attempt. Each input is counted separately, because the model's input limit applies to
    each input and not to all together. A client that sends tokens has already counted them."""
    prompt = typical = rate = 0
    for each in inputs_of(body["input"]):
        if isinstance(each, str):
            size = len(each.encode(errors="surrogatepass"))
            prompt, typical = prompt + most_tokens(each), typical + -(-size // _TYPICAL_BYTES)
            rate += -(-size // _RATE_BYTES)
        else:
            prompt, typical, rate = prompt + len(each), typical + len(each), rate + len(each)
    prompt, typical = prompt + _AROUND, typical + _AROUND
    cost = _cost(prompt, price)
    return Estimate(cost, rate, prompt, min(cost, _cost(typical, price)), 0, (price,), (price.input,))


def _cost(prompt: int, price: Price) -> int:
    return -(-prompt * price.for_prompt(prompt).input // MICRO) + 1
