"""What a call may cost at most, before it is made. A hold is never less than what a correct bill can be."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from gateway.errors import BadRequest
from gateway.models.images import image_tokens
from gateway.models.money import MICRO, Price

_MESSAGE_TOKENS = 8  # what a chat format adds around a message
_CHAT_TOKENS = 128  # what it adds around the whole: some models (gpt-oss, Llama) are given a system text nobody sent
_TOOL_TOKENS = 1_024  # and around tools or a schema for the answer: Claude's text for them has up to 935 tokens
_RATE_IMAGE_TOKENS = 3_000  # what the token limit counts for an image: a rate is no promise of money
_IMAGES = ("image_url", "input_image")
# Parts whose bytes bound their tokens. What any other refers to or unpacks to (a PDF, a file's id) nobody sees here.
_BOUNDED = frozenset((*_IMAGES, "text", "refusal", "input_audio", "thinking", "redacted_thinking"))


@dataclass(frozen=True, slots=True)
class Estimate:
    """`cost` is the upper bound in micro-dollars, `prompt` that of the prompt's tokens. `tokens` is what the token
    limit counts: four bytes of prompt a token, as OpenAI's own limiter has it, and the whole output cap; a rate is no
    promise of money."""

    cost: int
    tokens: int
    prompt: int


def estimate(body: Mapping[str, Any], price: Price, *, target: str, choices: int, output_cap: int) -> Estimate:
    """The upper bound for one attempt at `target` (`provider/model`).

    A byte is never less than a byte-level token, so the body's bytes bound its tokens; images are counted apart, by
    their number, not by the bytes of their data. The output is `choices` times the enforced cap, and all of a
    prediction, since what is rejected of it is billed beside the answer. Raises BadRequest for what has no bound, and
    for what is charged apart from tokens.
    """
    parts = list(_parts(body))
    _refuse_unpriced(body, parts, price)
    images = sum(part.get("type") in _IMAGES for _, part in parts)
    text = _size(_without_data(body))
    around = _CHAT_TOKENS + _MESSAGE_TOKENS * len(body.get("messages") or ())
    around += _TOOL_TOKENS if any(body.get(name) for name in ("tools", "functions", "response_format")) else 0
    prompt = text + around + images * image_tokens(target)
    if (where := _unbounded(body, parts)) is not None:
        prompt = max(prompt, _window(price, where))
    output = choices * output_cap
    predicted = _size(body["prediction"]) if body.get("prediction") else 0
    cost = max(_cost(each, prompt, output + predicted) for each in _prices(body, price)) + images * (price.image or 0)
    return Estimate(cost, -(-text // 4) + images * _RATE_IMAGE_TOKENS + output, prompt)


def _prices(body: Mapping[str, Any], price: Price) -> list[Price]:
    """The prices that a provider may ask, by the service tier that the body asks for. Raises BadRequest."""
    asked = body.get("service_tier")
    if asked is None or asked == "default":
        return [price]
    if asked == "auto":  # our account's own setting decides, which nobody sees here
        return [price, *price.tiers.values()]
    if isinstance(asked, str) and asked in price.tiers:
        return [price.tiers[asked]]
    message = "service_tier: this model has no price for it, so it can't be billed"
    raise BadRequest(message, param="service_tier", code="model_not_priced")


def _refuse_unpriced(body: Mapping[str, Any], parts: list[tuple[str, Mapping[str, Any]]], price: Price) -> None:
    """What a provider charges for in another way than by the tokens of this price; `gateway.dialects.chat.policy`
    refuses what no price says at all."""

    def refuse(param: str) -> NoReturn:
        raise BadRequest(f"{param}: costs what no price here says, so it can't be billed", param=param)

    if price.cache_write is not None and body.get("prompt_cache_retention") not in (None, "in-memory", "in_memory"):
        refuse("prompt_cache_retention")  # a token that is kept longer costs more to write
    options = body.get("prompt_cache_options") or {}
    if price.cache_write is not None and options.get("ttl") not in (None, "30m"):
        refuse("prompt_cache_options.ttl")
    for where, part in parts:
        control = part.get("cache_control")
        if isinstance(control, Mapping) and control.get("ttl") not in (None, "5m") and price.cache_write_1h is None:
            refuse(f"{where}.cache_control.ttl")


def _cost(price: Price, prompt: int, output: int) -> int:
    price = price.for_prompt(prompt)
    dearest = max(price.input, price.cache_write or 0, price.cache_write_1h or 0)
    return -(-(prompt * dearest + output * price.output) // MICRO) + 1  # each part of a bill is rounded up by itself


def _parts(body: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The typed parts of the messages, each with where it stands. What looks like one elsewhere is text."""
    for number, message in enumerate(body.get("messages") or ()):
        content = message.get("content")
        for index, part in enumerate(content if isinstance(content, list) else ()):
            yield f"messages[{number}].content[{index}]", part


def _unbounded(body: Mapping[str, Any], parts: list[tuple[str, Mapping[str, Any]]]) -> str | None:
    """Where the first thing stands that the body names but does not hold."""
    for where, part in parts:
        if part.get("type") not in _BOUNDED:
            return where
    for number, message in enumerate(body.get("messages") or ()):
        if message.get("audio"):  # an earlier answer, by its id
            return f"messages[{number}].audio"
    return None


def _window(price: Price, where: str) -> int:
    """All that the model can read: a prompt can't be billed for more."""
    if price.max_input_tokens is None:
        raise BadRequest(f"{where}: what this part costs has no known bound with this model", param=where)
    return price.max_input_tokens


def _without_data(body: Mapping[str, Any]) -> dict[str, Any]:
    """The body without its images' data."""
    return {**body, "messages": [_bare_message(message) for message in body.get("messages") or ()]}


def _bare_message(message: Mapping[str, Any]) -> Mapping[str, Any]:
    content = message.get("content")
    return {**message, "content": [_bare_part(part) for part in content]} if isinstance(content, list) else message


def _bare_part(part: Mapping[str, Any]) -> Mapping[str, Any]:
    if part.get("type") not in _IMAGES:
        return part
    image = part.get("image_url")
    kept = {name: value for name, value in image.items() if name != "url"} if isinstance(image, Mapping) else None
    return {**part, "image_url": kept}


def _size(value: Any) -> int:
    """The bytes of a value as JSON; or of its normalised text, where that is longer: some tokenizers normalise first
    (NFKC, Claude's published one), and one character may become eighteen."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    size = len(text.encode(errors="surrogatepass"))
    return size if unicodedata.is_normalized("NFKC", text) else max(size, _normalised_size(text))


def _normalised_size(text: str) -> int:
    by_character = {each: len(unicodedata.normalize("NFKC", each).encode(errors="surrogatepass")) for each in set(text)}
    return sum(map(by_character.__getitem__, text))
