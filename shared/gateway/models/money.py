"""Money is integer micro-dollars (1 USD = 1,000,000); prices are integer micro-dollars per million tokens."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType

from msgspec import Struct

from gateway.models.usage import Usage

MICRO = 1_000_000
# OpenAI has two names for one tier: https://developers.openai.com/api/docs/guides/fast-mode
_TIER_NAMES = {"fast": "priority"}


class Price(Struct, frozen=True):
    """What a model costs, in micro-dollars per million tokens (3 USD per million = 3_000_000).

    If the source has no price for a cached or cache-written token, the plain input price holds (a write price of 1.25
    or 2 times is a provider's habit, not a fact, so nothing is guessed here). `image` is micro-dollars per image.
    `long` replaces the whole price of a call whose prompt has more than `long_above` tokens. `tiers` are the prices of
    OpenAI's other service tiers ("flex", "priority", ...). `source` and `date` say where the price is from. `ends` is
    the day (YYYY-MM-DD, UTC) from which the model no longer answers here, empty if none is announced. `successor` is
    the name to ask for instead, if the config gives one.
    """

    input: int
    output: int
    cached: int | None = None
    cache_write: int | None = None
    cache_write_1h: int | None = None
    image: int | None = None
    max_output_tokens: int | None = None
    mode: str = "chat"
    source: str = ""
    date: str = ""
    max_input_tokens: int | None = None
    capabilities: tuple[str, ...] = ()
    long_above: int | None = None
    long: Price | None = None
    tiers: Mapping[str, Price] = MappingProxyType({})
    ends: str = ""
    successor: str = ""

    def for_prompt(self, tokens: int) -> Price:
        """The price for a prompt of so many tokens. For a hold, give the upper bound."""
        if self.long is None or self.long_above is None or tokens <= self.long_above:
            return self
        return self.long

    def of_tier(self, service_tier: str) -> Price | None:
        """The price of a service tier other than the standard one, or None."""
        return self.tiers.get(_TIER_NAMES.get(service_tier, service_tier))

    def for_tier(self, service_tier: str | None) -> Price:
        """The price of the service tier that an answer names."""
        if not service_tier or not self.tiers:
            return self
        return self.tiers.get(_TIER_NAMES.get(service_tier, service_tier), self)  # as `of_tier`


class Cost:
    """Micro-dollars. `total` is the sum of the parts, each of which is rounded up once. A paid call asks for it five
    times, so it is added up when a cost is made."""

    __slots__ = ("completion", "prompt", "total")

    def __init__(self, prompt: int, completion: int) -> None:
        self.prompt, self.completion, self.total = prompt, completion, prompt + completion

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Cost) and (self.prompt, self.completion) == (other.prompt, other.completion)

    def __hash__(self) -> int:
        return hash((self.prompt, self.completion))

    def __repr__(self) -> str:
        return f"Cost({self.prompt}, {self.completion})"


def cost_of(usage: Usage, price: Price) -> Cost:
    """The price of a settled call. Every part is rounded up to the next whole micro-dollar, once."""
    if price.long_above is not None and (tokens := usage.prompt_tokens) > price.long_above:
        price = price.for_prompt(tokens)
    prompt = usage.input_tokens * price.input
    if usage.cached_tokens:
        prompt += usage.cached_tokens * (price.input if price.cached is None else price.cached)
    if usage.cache_write_tokens or usage.cache_write_1h_tokens:
        write = price.input if price.cache_write is None else price.cache_write
        for_an_hour = write if price.cache_write_1h is None else price.cache_write_1h
        prompt += usage.cache_write_tokens * write + usage.cache_write_1h_tokens * for_an_hour
    # Rounded up: the floor of the negative.
    return Cost(-(-prompt // MICRO), -(-usage.output_tokens * price.output // MICRO))


def micro(dollars: float | Decimal) -> int:
    """Dollars as written, in micro-dollars. Raises ValueError if that is not a whole number: an amount is kept exactly
    or not at all and never rounded, so that no price becomes a different price or none.

    A float is read by its shortest text: 0.15 is fifteen cents, whatever its last bits are.
    """
    amount = Decimal(repr(dollars) if isinstance(dollars, float) else dollars) * MICRO
    if amount != amount.to_integral_value():
        raise ValueError("must be a multiple of 0.000001 US dollars: less can't be held exactly")
    return int(amount)


def usd(micro: int) -> float:
    """Dollars for a JSON answer. As printed, they are exact to the micro-dollar up to eight billion dollars (2**33)."""
    return micro / MICRO


def in_dollars(micro: int) -> str:
    """Dollars for a sentence: "$0.000006", "$25.00"."""
    whole, _, part = f"{usd(micro):.6f}".partition(".")
    return f"${whole}.{part.rstrip('0').ljust(2, '0')}"
