"""The most that a Responses request may cost: never less than a correct bill, whatever the request is translated
into."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.calls.estimate import estimate
from gateway.errors import BadRequest
from gateway.models.money import MICRO, Price
from tests.unit.dialects.responses_sent import TARGETS
from tests.unit.dialects.table_responses import CUSTOM, FUNCTION, PDF, PNG, SPACE, TRIALS

PRICE = Price(input=MICRO, output=MICRO, max_input_tokens=200_000)
WINDOW = 200_000


def prompt_of(**fields: Any) -> int:
    body = {"input": "hi", **fields}
    return estimate(body, PRICE, target="x/m", choices=1, output_cap=9).prompt


def test_what_is_said_counts_wherever_it_stands() -> None:
    words = "word " * 1_000
    for body in (
        {"input": words},
        {"instructions": words},
        {"input": [{"role": "user", "content": words}]},
        {"input": [{"role": "user", "content": [{"type": "input_text", "text": words}]}]},
        {"input": [{"type": "function_call_output", "call_id": "c", "output": words}]},
        {"input": [{"type": "reasoning", "summary": [], "encrypted_content": words}]},
        {"tools": [{**FUNCTION, "description": words}]},
        {"input": [{"type": "additional_tools", "tools": [{**FUNCTION, "description": words}]}]},
    ):
        assert len(words) < prompt_of(**body) < len(words) + 2_000


def test_images_are_counted_by_their_number() -> None:
    image = {"type": "input_image", "image_url": PNG + "A" * 100_000, "detail": "auto"}
    in_message = {"role": "user", "content": [image]}
    in_output = {"type": "function_call_output", "call_id": "c", "output": [image]}
    for item in (in_message, {**in_message, "type": "message"}, in_output):
        assert prompt_of(input=[item]) < 50_000
    assert prompt_of(input=[in_message, in_output]) > 1.9 * prompt_of(input=[in_message]) - 2_000


@pytest.mark.parametrize(
    "item",
    [
        {"role": "user", "content": [{"type": "input_file", "file_data": PDF, "filename": "a.pdf"}]},
        {"role": "user", "content": [{"type": "input_image", "image_url": PDF}]},
        {"type": "image_generation_call", "id": "ig_1", "result": None, "status": "completed"},
        {"type": "something_new"},
    ],
)
def test_what_nobody_can_bound_is_all_that_the_model_reads(item: dict[str, Any]) -> None:
    assert prompt_of(input=[item]) == WINDOW
    with pytest.raises(BadRequest, match="input"):
        estimate({"input": [item]}, Price(input=1, output=1), target="x/m", choices=1, output_cap=9)


def test_tools_of_the_provider_are_all_that_the_model_reads_but_for_those_that_are_left_out() -> None:
    assert prompt_of(tools=[{"type": "apply_patch"}]) == WINDOW
    assert prompt_of(tools=[{"type": "web_search"}, FUNCTION]) < 2_000
    assert prompt_of(tools=[{"type": "namespace", "name": "n", "tools": [{"type": "new"}]}]) == WINDOW


def test_what_a_translation_says_beside_what_was_sent_is_held() -> None:
    inner = [{**FUNCTION, "name": f"t{number}"} for number in range(50)]
    for tools in ([{**SPACE, "name": "n" * 60, "tools": inner}], [{**CUSTOM, "name": f"c{at}"} for at in range(50)]):
        body = {"model": "m", "input": "hi", "tools": tools}
        for target, send in TARGETS.items():
            size = len(json.dumps(send(body).body, ensure_ascii=False, separators=(",", ":")))
            assert size <= prompt_of(tools=tools), target


def test_every_body_of_the_table_has_a_bound() -> None:
    for trials in TRIALS.values():
        for body, _ in trials:
            found = estimate(body, PRICE, target="x/m", choices=1, output_cap=9) if "service_tier" not in body else None
            assert found is None or 0 < found.typical <= found.cost


def test_marks_of_ours_are_held_at_the_price_of_writing() -> None:
    price = Price(input=4 * MICRO, output=MICRO, cached=1, cache_write=5 * MICRO, cache_write_1h=8 * MICRO)
    body = {"input": "hi", "prompt_cache_retention": "24h"}

    def held(target: str, marked: str) -> int:
        return estimate(body, price, target=target, choices=1, output_cap=9, marked=marked).dearest[0]

    assert [held("anthropic/claude-x", marked) for marked in ("5m", "1h")] == [5 * MICRO, 8 * MICRO]
    with pytest.raises(BadRequest, match="prompt_cache_retention"):
        held("anthropic/claude-x", "")
