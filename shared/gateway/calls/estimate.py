"""The most that a call may cost, known before it is made, and what such a call usually costs.

A hold is never less than the highest correct bill, unless an admin chose otherwise.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from msgspec import Struct
from msgspec.structs import replace

from gateway.calls.items import messages_in, tools_in
from gateway.calls.parts import (
    PathAndPart,
    is_image,
    is_plain,
    parts_of,
    told_of_tools,
    tools_and_calls,
    unbounded,
    wants_schema,
    without_data,
)
from gateway.dialects.values import mapping
from gateway.errors import BadRequest
from gateway.json_text import countable
from gateway.models.caching import cached_by_marks
from gateway.models.images import image_tokens
from gateway.models.money import MICRO, Cost, Price, cost_of
from gateway.models.usage import Usage
from gateway.vendors.base import ModelCall

_MESSAGE_TOKENS = 8  # what a chat format adds around a message
_CHAT_TOKENS = 128  # what it adds around the whole: some models (gpt-oss, Llama) get a system text that no client sent
_TOOL_TOKENS = 1_024  # and around tools or a schema for the answer: Claude's text for them has up to 935 tokens
# The least that one tool, or one call of a tool, is counted for: a translation adds an id, a name that fits, an empty
# schema, or a result if none was sent. Usual ones have more bytes than that.
_LEAST_TOOL_TOKENS = 80
_RATE_IMAGE_TOKENS = 3_000  # what the token limit counts for an image: a rate is no promise of money
_CONTROL, _HOUR = "cache_control", "1h"
_MARKS = (_CONTROL, "cachePoint")
_MARKED = re.compile(rb'"(?:cache_control|cachePoint)"')  # a mark's name, as JSON text has it
_LONGEST_STEP = 64  # characters of a name in a path in a refusal
_SHORT = (None, "5m")  # for how long a mark caches its prompt at the plain price of writing
# Bytes per token in a typical estimate: code and English have 3.5 to 4.5. A token per three bytes at the plain price
# also covers a turn that is written to the cache as a whole, at 1.25 times that price.
_TYPICAL_BYTES = 3


class Estimate(Struct, frozen=True):
    """`cost` is the upper bound in micro-dollars, `prompt` that of the prompt's tokens. `typical` is the most that such
    a call usually costs, never more than `cost`. `tokens` is what the token limit counts: a token per four bytes of
    prompt, as OpenAI's own limiter does, and the whole output cap; a rate is no promise of money.

    `output` is the most output tokens, `unasked` those among them that may be billed although no answer shows them.
    `prices` are those of the service tiers that may answer, `dearest` the most that a token of the prompt costs at each
    of them."""

    cost: int
    tokens: int
    prompt: int
    typical: int
    output: int
    prices: tuple[Price, ...]
    dearest: tuple[int, ...] = ()
    unasked: int = 0

    def once_told(self, usage: Usage) -> int:
        """The upper bound once a provider has reported the prompt's usage: that usage, and all of the output."""
        whole = replace(usage, output_tokens=self.output, reasoning_tokens=0)
        return max(cost_of(whole, price).total for price in self.prices)

    def seen(self, told: Usage | None, output: int) -> tuple[Usage, Cost]:
        """The most that a call without a final usage used and costs: `output` tokens, and the prompt as the provider
        `told` it, or else its upper bound. The price is that of the most expensive service tier that may have
        answered."""
        if told is not None:
            usage = replace(told, output_tokens=output, reasoning_tokens=0, source="counted")
            costs = [cost_of(usage, price) for price in self.prices]
        else:
            usage = Usage(input_tokens=self.prompt, output_tokens=output, source="counted")
            costs = [
                Cost(-(-self.prompt * each // MICRO), -(-output * price.for_prompt(self.prompt).output // MICRO))
                for price, each in zip(self.prices, self.dearest, strict=True)
            ]
        return usage, max(costs, key=lambda cost: cost.total)


class _UnpricedHour(BadRequest):
    """A cache mark asks for an hour, for which the model has no price."""


def estimated(call: ModelCall, price: Price, *, target: str) -> tuple[ModelCall, Estimate]:
    """A call with its estimate. If an hour in the cache has no price, the call's marks for an hour become marks for the
    usual time, because coding agents send the same marks to every model. Raises as `estimate`."""
    choices, most, marked = call.choices, call.max_output_tokens, call.marks
    try:
        return call, estimate(call.body, price, target=target, choices=choices, output_cap=most, marked=marked)
    except _UnpricedHour:
        body = json.loads(json.dumps(call.body), object_hook=_without_hour)
    est = estimate(body, price, target=target, choices=choices, output_cap=most, marked=marked)
    return replace(call, body=body, dropped=("cache_control.ttl",)), est


def _without_hour(value: dict[str, Any]) -> dict[str, Any]:
    mark = value.get(_CONTROL)
    if not isinstance(mark, dict) or mark.get("ttl") != _HOUR:
        return value
    return {**value, _CONTROL: {name: each for name, each in mark.items() if name != "ttl"}}


def estimate(
    body: Mapping[str, Any], price: Price, *, target: str, choices: int, output_cap: int, marked: str = ""
) -> Estimate:
    """The upper bound for one attempt at `target` (`provider/model`). `marked`: for how long (5m, 1h) the gateway's own
    cache marks let its prompt be cached; empty without such marks.

    A byte-level token has at least one byte, so the body's bytes bound its tokens; the model's context window bounds
    them too. Images are counted separately, by their number, not by the bytes of their data. The output is `choices`
    times the enforced cap, plus all of a prediction, since its rejected tokens are billed in addition to the answer.
    Raises BadRequest for a part without a bound, and for anything that is charged separately from tokens.
    """
    plain = is_plain(body)
    parts, tools = ([], []) if plain else (parts_of(body), list(tools_in(body)))
    images = sum([is_image(part) for _, part in parts]) if parts else 0
    written = countable(without_data(body) if images else body)
    # Marks are names in the text; a text without them need not be walked through, and most have none.
    marks = list(_marks(body)) if images or _MARKED.search(written) else []
    if marks or not plain:
        _refuse_unpriced(body, marks, price, marked=marked)
    text = len(written) if written.isascii() else _length(written)
    around = _CHAT_TOKENS + _MESSAGE_TOKENS * messages_in(body) + (0 if plain else _beside(body, tools, parts))
    where = None if plain else unbounded(body, tools, parts)
    pictures = images * image_tokens(target) if images else 0
    prompt, typical = text + around + pictures, -(-text // _TYPICAL_BYTES) + around + pictures
    if where is not None:
        prompt = typical = max(prompt, _window(price, where))
    window = price.max_input_tokens
    if window is not None and prompt > window:  # the typical prompt is never longer
        prompt, typical = window, min(typical, window)
    output = choices * output_cap
    unasked = _size(body["prediction"]) if body.get("prediction") else 0  # all of it may be rejected
    most = output + unasked
    kept = {mark.ttl in _SHORT for mark in marks} if cached_by_marks(target) else None
    if kept is not None and marked:
        kept.add(marked in _SHORT)
    prices = _prices(body, price) if "service_tier" in body else (price,)
    dearest, cost, usual = _costs(prices, kept, prompt, typical, most)
    extra, tokens = images * (price.image or 0), -(-text // 4) + images * _RATE_IMAGE_TOKENS + output
    usual = min(cost, usual) + extra
    return Estimate(cost + extra, tokens, prompt, usual, most, prices, dearest, unasked)


def _costs(
    prices: tuple[Price, ...], kept: set[bool] | None, prompt: int, typical: int, most: int
) -> tuple[tuple[int, ...], int, int]:
    """The most that a token of the prompt costs at each of these prices; and what the prompt and the typical one cost
    at the most expensive of them, in micro-dollars, with `most` tokens of output."""
    dearest: list[int] = []
    cost = usual = 0
    for price in prices:
        at = then = price
        if price.long_above is not None and prompt > price.long_above:  # the typical prompt is never longer
            at, then = price.for_prompt(prompt), price.for_prompt(typical)
        highest = _dearest(at, kept)
        dearest.append(highest)
        cost = max(cost, _cost(prompt, highest, most, at))
        usual = max(usual, _cost(typical, then.input, most, then))
    return tuple(dearest), cost, usual


def _cost(prompt: int, input_price: int, answer: int, price: Price) -> int:
    """Micro-dollars for so many tokens of a prompt at its price per million, and of an answer."""
    return -(-(prompt * input_price + answer * price.output) // MICRO) + 1  # a bill rounds up twice


def _beside(body: Mapping[str, Any], tools: list[PathAndPart], parts: list[PathAndPart]) -> int:
    """The most tokens that tools, calls of tools and a schema add to the body's own."""
    around = _TOOL_TOKENS if tools or body.get("functions") or wants_schema(body) else 0
    around += sum([max(0, _LEAST_TOOL_TOKENS - _least_size(each)) for each in tools_and_calls(body, tools, parts)])
    return around + (told_of_tools(tools) if tools else 0)


def _prices(body: Mapping[str, Any], price: Price) -> tuple[Price, ...]:
    """The prices that a provider may charge for the service tier that the body asks for. The answer says which tier it
    got, which may be the usual one. Raises BadRequest."""
    asked = body.get("service_tier")
    if asked in (None, "default", "standard_only"):
        return (price,)
    if asked == "auto":  # our account's setting decides, which is not visible here
        return price, *price.tiers.values()
    if isinstance(asked, str) and (other := price.of_tier(asked)) is not None:
        return other, price
    message = "service_tier: this model has no price for it, so it can't be billed"
    raise BadRequest(message, param="service_tier", code="model_not_priced")


class _Step(Struct, frozen=True):
    """Where a value is: the step above it, and its name there. The path is written only for a refusal: names come from
    the client and have any length, and there may be many values below a long name."""

    above: _Step | None
    name: str | int

    def path(self) -> str:
        steps: list[str] = []
        step: _Step | None = self
        while step is not None:
            name = step.name
            steps.append(f"[{name}]" if isinstance(name, int) else f".{name[:_LONGEST_STEP]}")
            step = step.above
        return "".join(reversed(steps)).lstrip(".")


class _Mark(Struct, frozen=True):
    """A place up to which a body asks for its prompt to be cached, and for how long (None: the vendor's default)."""

    where: _Step
    ttl: Any


def _marks(body: Mapping[str, Any]) -> Iterator[_Mark]:
    """All marks, wherever they are; whatever looks like a mark in a tool's schema counts too."""
    waiting: list[tuple[_Step | None, Any]] = [(None, body)]
    while waiting:
        where, value = waiting.pop()
        inside = enumerate(value) if isinstance(value, list) else value.items()
        for name, below in inside:
            if name in _MARKS and below:
                yield _Mark(_Step(where, name), below.get("ttl") if isinstance(below, Mapping) else None)
            if isinstance(below, (dict, list)):  # the types that reading JSON gives
                waiting.append((_Step(where, name), below))


def _refuse_unpriced(body: Mapping[str, Any], marks: list[_Mark], price: Price, *, marked: str) -> None:
    """Refuse what a provider does not charge by the tokens of this price; `gateway.dialects.chat.policy` refuses what
    no price covers at all. If the gateway has `marked` the body, the body's own cache fields are not sent."""

    def refuse(param: str, kind: type[BadRequest] = BadRequest) -> NoReturn:
        raise kind(f"{param}: has a cost without a known price, so it can't be billed", param=param)

    unmarked = price.cache_write is not None and not marked
    if unmarked and body.get("prompt_cache_retention") not in (None, "in_memory"):
        refuse("prompt_cache_retention")  # a token that is kept longer costs more to write
    options = mapping(body.get("prompt_cache_options"))
    if unmarked and options.get("ttl") not in (None, "30m"):
        refuse("prompt_cache_options.ttl")
    for mark in marks:
        if mark.ttl not in _SHORT and price.cache_write_1h is None:
            hour = (mark.where.name, mark.ttl) == (_CONTROL, _HOUR)
            refuse(f"{mark.where.path()}.ttl"[:128], _UnpricedHour if hour else BadRequest)


def _dearest(price: Price, kept: set[bool] | None) -> int:
    """The most that a token of a prompt costs at the price for its length. `kept`: for each mark, whether it asks for
    short caching only, which writes to the cache; None if the provider needs no mark to cache."""
    writes = (price.cache_write or 0) if kept is None or kept else 0
    long = (price.cache_write_1h or 0) if kept is None or False in kept else 0
    return max(price.input, writes, long)


def _window(price: Price, where: str) -> int:
    """The model's context window: a prompt can't be billed for more."""
    if price.max_input_tokens is None:
        raise BadRequest(f"{where}: the cost of this part has no known limit with this model", param=where)
    return price.max_input_tokens


def _size(value: Any) -> int:
    return _length(countable(value))


def _least_size(value: Any) -> int:
    """At most what a value has of the size of a body that it is part of, in which 0.00001 may be written as 1e-05."""
    written = countable(value)
    return _length(written) - 2 * written.count(b"0.0000")


def _length(written: bytes) -> int:
    """The bytes of JSON text, or of the normalised text if that is longer: some tokenizers (Claude's published one)
    first normalise by NFKC, and one character may become eighteen."""
    size = len(written)
    if written.isascii():
        return size
    text = written.decode(errors="surrogatepass")
    return size if unicodedata.is_normalized("NFKC", text) else max(size, _normalised_size(text))


def _normalised_size(text: str) -> int:
    by_character = {each: len(unicodedata.normalize("NFKC", each).encode(errors="surrogatepass")) for each in set(text)}
    return sum(map(by_character.__getitem__, text))
