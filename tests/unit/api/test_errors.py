"""Errors in the shapes of their routes."""

from __future__ import annotations

import pytest

from gateway.api.errors import error_response
from gateway.api.message import Dialect
from gateway.errors import GatewayError, NotFound, Unauthorized


@pytest.mark.parametrize(
    ("error", "dialect", "told"),
    [
        (Unauthorized("No."), "messages", "false"),
        (Unauthorized("No."), "openai", None),
        (NotFound("No."), "messages", None),
    ],
)
def test_a_key_that_is_refused_is_not_tried_again(error: GatewayError, dialect: Dialect, told: str | None) -> None:
    assert error_response(error, dialect).headers.get("x-should-retry") == told
