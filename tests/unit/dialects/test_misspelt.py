"""A misspelt field of a request is refused with the name that was meant, by every surface."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from gateway.dialects.chat import policy as chat
from gateway.dialects.chat import request as chat_read
from gateway.dialects.embeddings import policy as embeddings
from gateway.dialects.messages import policy as messages
from gateway.dialects.messages import reading as messages_read
from gateway.dialects.responses import policy as responses
from gateway.dialects.responses import reading as responses_read
from gateway.dialects.text import policy as text
from gateway.dialects.unsupported import Unsupported
from gateway.errors import BadRequest

Check = Callable[[Mapping[str, Any]], object]
LISTED = frozenset(("repetition_penalty",))  # by the operator, for a host
SURFACES: Mapping[str, tuple[Check, str]] = {
    "chat, translated": (lambda body: chat_read.read_request(body, cap=10), "temperature"),
    "chat, at a host": (lambda body: chat.check_fields(body, LISTED), "temperature"),
    "messages, translated": (lambda body: messages_read.read_request(body, cap=10), "stop_sequences"),
    "messages, at a host": (lambda body: messages.check_fields(body, LISTED), "stop_sequences"),
    "responses, translated": (lambda body: responses_read.read_request(body, cap=10), "instructions"),
    "responses, at a host": (lambda body: responses.check_fields(body, LISTED), "instructions"),
    "legacy completions": (text.check_fields, "temperature"),
    "embeddings, at a host": (lambda body: embeddings.check_fields(body, LISTED), "dimensions"),
}


@pytest.mark.parametrize(("check", "field"), SURFACES.values(), ids=SURFACES)
def test_the_field_that_was_meant_is_named(check: Check, field: str) -> None:
    misspelt = field[:2] + field[3:]  # one letter is missing
    with pytest.raises((BadRequest, Unsupported)) as refused:
        check({misspelt: 1})
    assert getattr(refused.value, "param", None) == misspelt
    assert str(refused.value).startswith(f"{misspelt}: ")
    assert str(refused.value).endswith(f"; did you mean {field}?")


@pytest.mark.parametrize(("check", "field"), SURFACES.values(), ids=SURFACES)
def test_a_field_like_no_other_has_no_suggestion(check: Check, field: str) -> None:
    with pytest.raises((BadRequest, Unsupported)) as refused:
        check({"zzz": 1})
    assert "did you mean" not in str(refused.value)


@pytest.mark.parametrize(
    ("check", "field"),
    [(check, field) for name, (check, field) in SURFACES.items() if name.endswith("host")],
)
def test_capital_letters_are_no_other_field(check: Check, field: str) -> None:
    with pytest.raises(BadRequest, match=f"is not a field of this format; did you mean {field}\\?$"):
        check({field.upper(): 1})


def test_a_host_s_own_field_is_suggested_too_and_a_known_field_never_is() -> None:
    with pytest.raises(BadRequest, match=r"; did you mean repetition_penalty\?$"):
        chat.check_fields({"repetition_penaltie": 1}, LISTED)
    with pytest.raises(Unsupported, match=r"^service_tier: not supported by this model$"):
        messages_read.read_request({"service_tier": "fast"}, cap=10)
    with pytest.raises(BadRequest, match=r"^tools\[0\]\.functon: .*; did you mean function\?$"):
        chat.check_fields({"tools": [{"type": "function", "function": {}, "functon": {}}]}, LISTED)
