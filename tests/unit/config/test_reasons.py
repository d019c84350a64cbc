"""Why a request is refused, in words of JSON: whoever reads it never saw the code."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from gateway.catalogue.products import parse_new
from gateway.config.document import parse_config
from gateway.config.service import defaults
from gateway.dialects.chat.schema import parse_chat
from gateway.errors import BadRequest
from gateway.keys.key_fields import NewKey, parsed

PRODUCT: dict[str, Any] = {"name": "Mug", "price": {"amount": 5}, "category": {"path": ["home"]}}
CHAT: dict[str, Any] = {"model": "gpt-4", "messages": [{"role": "user", "content": "Hello!"}]}
A_TARGET = "must be a provider and one of its models, such as my-host/my-model"
A_DAY = "must be a date such as 2027-12-31"
ANY_TIME = "must be a time such as 2027-01-31T00:00:00Z"


def key(body: Mapping[str, Any]) -> None:
    parsed(NewKey, body)


def config(part: Mapping[str, Any]) -> None:
    parse_config({**defaults(), **part})


@pytest.mark.parametrize(
    ("parse", "body", "said"),
    [
        (key, {}, "name: is required"),
        (key, {"name": "x", "rpm": 1}, "rpm: is unknown"),
        (key, {"name": "x", "rpm_limit": 1.5}, "rpm_limit: must be a whole number"),
        (key, {"name": "x", "scopes": []}, "scopes: must have at least 1 item"),
        (key, {"name": "x", "metadata": []}, "metadata: must be an object"),
        (key, {"name": "x", "expires": "tomorrow"}, f"expires: {ANY_TIME}"),
        (key, {"name": "x", "expires": "9999-01-01T00:00:00Z"}, "expires: must lie between 2020 and 2200"),
        (key, {"name": "x", "tier": "gold"}, "tier: must be 'free', 'basic', 'premium' or 'enterprise'"),
        (parse_new, PRODUCT | {"price": 5}, "price: must be an object"),
        (parse_new, PRODUCT | {"category": "home"}, "category: must be an object"),
        (parse_new, PRODUCT | {"images": "a"}, "images: must be a list"),
        (parse_chat, CHAT | {"messages": []}, "messages: must have at least 1 item"),
        (parse_chat, CHAT | {"temperature": 9}, "temperature: must be less than or equal to 2"),
        (parse_chat, CHAT | {"stream": "yes"}, "stream: must be true or false"),
        (config, {"models": {"x": {"target": "m"}}}, f"models.x.target: {A_TARGET}"),
        (config, {"prices": {"m": {"input": 1, "output": 1}}}, f"prices.m: {A_TARGET}"),
        (
            config,
            {"models": {"my model": {"target": "openai/gpt-4"}}},
            "models.my model: must be letters, digits and . _ : / @ -, a letter or digit first, at most 128",
        ),
        (
            config,
            {"vendors": {"My_Host": {"baseUrl": "https://host.example/v1"}}},
            "vendors.My_Host: must be small letters, digits and hyphens, a letter first, at most 31",
        ),
        (
            config,
            {"vendors": {"x": {"baseUrl": "https://host.example/v1", "secret": "a/b"}}},
            "vendors.x.secret: must be letters, digits, hyphens and underscores, a letter or digit first, at most 63",
        ),
        *[
            (
                config,
                {"prices": {"openai/m": {"input": 1, "output": 1, "ends": ends}}},
                f"prices.openai/m.ends: {A_DAY}",
            )
            for ends in ("soon", "2027-13-01", 20271231, "2027-12-31T10:00:00Z", True)
        ],
        (config, {"rateLimits": {"gold": {}}}, "rateLimits.gold: must be 'free', 'basic', 'premium' or 'enterprise'"),
    ],
)
def test_a_reason_speaks_of_json(parse: Callable[[Any], object], body: Any, said: str) -> None:
    with pytest.raises(BadRequest) as refused:
        parse(body)
    assert refused.value.message == said
    assert refused.value.param == said.partition(":")[0]
