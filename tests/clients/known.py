"""The facts about the gateway that a suite in a separate process needs, as environment variables."""

from __future__ import annotations

from tests.deployed import MESSAGES, MODELS, RESPONSES
from tests.integration.conftest import Live


def known(gateway: Live) -> dict[str, str]:
    """The gateway's address, names of models, and keys: one has no budget left, and one may make no further call."""
    limited, _ = gateway.new_key(rpm_limit=1)
    assert gateway.complete(limited).status == 200
    return {
        "GATEWAY_URL": gateway.base_url,
        "GATEWAY_KEY": gateway.new_key()[0],
        "GATEWAY_KEY_BROKE": gateway.new_key(max_budget=0.000001)[0],
        "GATEWAY_KEY_LIMITED": limited,
        "GATEWAY_MODELS": ",".join(MODELS),
        "GATEWAY_MODELS_RESPONSES": ",".join(RESPONSES),
        "GATEWAY_MODELS_MESSAGES": ",".join(MESSAGES),
    }
