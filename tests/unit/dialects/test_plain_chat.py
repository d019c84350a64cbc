"""The short ways of plain chat requests and answers say the same as the general ways."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from types import MappingProxyType
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.calls.items import tools_in
from gateway.calls.parts import is_plain, parts_of, tools_and_calls, unbounded, wants_schema
from gateway.config.document import ALIAS, TierLimits
from gateway.config.reasons import validated
from gateway.dialects.chat.answer import completion_of
from gateway.dialects.chat.plain import plain_request
from gateway.dialects.chat.policy import check_fields
from gateway.dialects.chat.schema import checked_request
from gateway.dialects.chat.usage import usage_of
from gateway.dialects.fields import Known, Text
from gateway.dialects.values import MOST_TOKENS, count
from gateway.errors import BadRequest

TIER = TierLimits(requests_per_minute=10)
ODD: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, False, 0, 1, -1, 2, 0.5, 2.0, 12.5, 1e300, 10**6, 10**7 + 1, "", "a", "a b", "\ud800", [], ["a"], {}]
)


def value(*usual: Any) -> st.SearchStrategy[Any]:
    return st.one_of(st.sampled_from(usual), st.sampled_from(usual), ODD)


MESSAGE: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.fixed_dictionaries({"role": value("user", "assistant", "system"), "content": value("hi", "é\n")}),
    st.fixed_dictionaries(
        {},
        optional={
            "role": value("user", "tool"),
            "content": value("hi", [{"type": "text", "text": "a"}], [{"type": "file", "file": {"file_id": "f"}}]),
            "name": value("n"),
            "audio": value({"id": "a"}),
            "tool_calls": value([{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]),
            "prompt": value("x"),
        },
    ),
)
BODY: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "model": value("gpt-4", "openai/gpt-4o", "gpt-4\n", "-4", "é", "a" * 129),
        "messages": st.one_of(st.lists(MESSAGE, max_size=3), ODD),
    },
    optional={
        "max_tokens": value(1, 100),
        "max_completion_tokens": value(1, 100),
        "temperature": value(0, 0.7, 1, 1.5),
        "top_p": value(0.1, 1),
        "stream": value(True, False),
        "stream_options": value({"include_usage": True}),
    },
)
MORE: st.SearchStrategy[dict[str, Any]] = st.dictionaries(
    st.sampled_from(
        [
            "functions",
            "input",
            "metadata",
            "n",
            "output_config",
            "prediction",
            "response_format",
            "service_tier",
            "stop",
            "system",
            "text",
            "tools",
            "user",
            "prompt_cache_options",
            "prompt_cache_retention",
            "audio",
            "store",
            "tool_choice",
            "reasoning",
            "thinking",
            "modalities",
        ]
    ),
    value([{"type": "function", "function": {"name": "f"}}], {"type": "json_object", "format": 1}, ["text"]),
    max_size=2,
)


@given(BODY)
def test_a_request_that_is_taken_for_plain_is_right_and_says_the_same(body: dict[str, Any]) -> None:
    plain = plain_request(body)
    if plain is None:
        return
    checked = checked_request(body)
    names = ("model", "choices", "streamed", "mcp_context", "stream_options", "max_tokens", "max_completion_tokens")
    assert [getattr(plain, name) for name in names] == [getattr(checked, name) for name in names]
    assert (list(plain.tags), checked.store) == (checked.tags, None)
    assert [plain.cap(TIER, most) for most in (None, 1, 50, 5_000)] == [
        checked.cap(TIER, most) for most in (None, 1, 50, 5_000)
    ]


@given(st.one_of(st.from_regex(ALIAS), st.from_regex(ALIAS.replace("127", "128")), st.text(max_size=3)))
def test_a_models_name_is_taken_if_pydantic_takes_it(model: str) -> None:
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
    try:
        checked_request(body)
    except BadRequest:
        assert plain_request(body) is None
    else:
        assert plain_request(body) is not None


def test_usual_requests_are_taken_for_plain() -> None:
    usual: dict[str, Any] = {"messages": [{"role": "user", "content": "hi"}], "temperature": 0.2, "stream": True}
    assert plain_request({"model": "gpt-4", **usual}) is not None
    assert plain_request({"model": "gpt-4", **usual, "n": 2}) is None


def test_threads_that_ask_a_model_of_a_request_for_the_first_time_at_once_are_all_answered() -> None:
    """Its validator is made by whichever comes first (`Known`)."""

    class Part(Known):
        text: Text

    class Whole(Known):
        parts: list[Part]

    at_once = Barrier(8)

    def ask(number: int) -> Whole:
        at_once.wait(10)
        return validated(Whole, {"parts": [{"text": str(number)}]})

    with ThreadPoolExecutor(8) as threads:
        said = [whole.parts[0].text for whole in threads.map(ask, range(8))]
    assert said == [str(number) for number in range(8)]


@given(BODY, MORE)
def test_in_a_plain_prompt_there_is_nothing_to_look_for(body: dict[str, Any], more: dict[str, Any]) -> None:
    body = {**body, **more}
    try:
        checked_request(body)
        check_fields(body, None)
    except BadRequest:
        return
    if is_plain(body):
        parts, tools = parts_of(body), list(tools_in(body))
        assert (parts, tools, tools_and_calls(body, tools, parts)) == ([], [], [])
        assert (wants_schema(body), unbounded(body, tools, parts)) == (False, None)
        assert {"functions", "prediction", "prompt_cache_options", "prompt_cache_retention"}.isdisjoint(body)


@given(BODY, MORE, st.sampled_from([None, frozenset[str]()]))
def test_what_may_leave_does_not_depend_on_the_way(
    body: dict[str, Any], more: dict[str, Any], passed: frozenset[str] | None
) -> None:
    body = {**body, **more}
    try:
        checked_request(body)
    except BadRequest:
        return

    def refused(given: dict[str, Any]) -> str | None:
        try:
            check_fields(given, passed)
        except BadRequest as refusal:
            return refusal.param
        return None

    assert refused(body) == refused(body | {"unheard_of": None})  # an absent field, with which nothing is plain


COUNT = value(0, 5, 12.0, MOST_TOKENS, MOST_TOKENS + 1)
COUNTED = {
    "prompt_tokens_details": ("cached_tokens", "cache_write_tokens"),
    "completion_tokens_details": ("reasoning_tokens",),
}
DETAILS = st.one_of(
    ODD, st.dictionaries(st.sampled_from(["cached_tokens", "reasoning_tokens", "cache_write_tokens", "other"]), COUNT)
)


NUMBERS = st.sampled_from([0, 0, 1, 2, 3, 5, MOST_TOKENS, MOST_TOKENS + 1, -1, 2.0, True, None, "1"])


@given(
    st.fixed_dictionaries(
        {"prompt_tokens": NUMBERS, "completion_tokens": NUMBERS},
        optional={
            "total_tokens": NUMBERS,
            "prompt_tokens_details": st.fixed_dictionaries(
                {}, optional={"cached_tokens": NUMBERS, "cache_write_tokens": NUMBERS}
            )
            | ODD,
            "completion_tokens_details": st.fixed_dictionaries({}, optional={"reasoning_tokens": NUMBERS}) | ODD,
            "cached_tokens": NUMBERS,
        },
    ),
    st.booleans(),
)
def test_usual_counts_are_read_like_any_other(usage: dict[str, Any], adds_up: bool) -> None:
    if adds_up and isinstance(usage["prompt_tokens"], int) and isinstance(usage["completion_tokens"], int):
        usage["total_tokens"] = usage["prompt_tokens"] + usage["completion_tokens"]
    assert usage_of(usage) == usage_of(MappingProxyType(usage))  # only a dict takes the short way


@given(
    st.fixed_dictionaries({}, optional={"role": ODD, "content": value("hi"), "refusal": ODD, "annotations": ODD}),
    st.fixed_dictionaries(
        {"prompt_tokens": COUNT, "completion_tokens": COUNT},
        optional={"total_tokens": COUNT, "prompt_tokens_details": DETAILS, "completion_tokens_details": DETAILS},
    ),
)
def test_an_answer_of_words_is_read_like_any_other(message: dict[str, Any], usage: dict[str, Any]) -> None:
    def read(**beside: Any) -> dict[str, Any] | None:
        choice = {"index": 0, "message": {**message, **beside}, "finish_reason": "stop"}
        answer = {"id": "1", "created": 1, "model": "m", "choices": [choice], "usage": usage}
        return completion_of(answer, usage_of(usage), model="m")

    plain, other = read(), read(unheard_of=1)
    assert (plain is None) == (other is None)
    if plain is None or other is None:
        return
    assert {**plain["choices"][0]["message"], "unheard_of": 1} == other["choices"][0]["message"]
    for side, known in COUNTED.items():
        told = plain.get("usage", {}).get(side, {})
        assert all(count(each) == each for name, each in told.items() if name in known)


COUNTS = st.integers(0, 40) | st.sampled_from([MOST_TOKENS, MOST_TOKENS + 1, -1])
INSIDE = st.dictionaries(st.sampled_from(["cached_tokens", "reasoning_tokens", "cache_write_tokens", "other"]), COUNTS)


@given(
    st.fixed_dictionaries(
        {"prompt_tokens": COUNTS, "completion_tokens": COUNTS},
        optional={
            "total_tokens": COUNTS | st.none(),  # None: their sum, as almost always
            "prompt_tokens_details": INSIDE | st.none(),
            "completion_tokens_details": INSIDE | st.none(),
            "prompt_cache_hit_tokens": COUNTS,
        },
    )
)
def test_counts_mean_the_same_however_they_are_written(usage: dict[str, Any]) -> None:
    """Whole numbers take the short way. A count of 12.0 is counted like 12, and only the general way reads it."""
    if "total_tokens" in usage and usage["total_tokens"] is None:
        usage["total_tokens"] = usage["prompt_tokens"] + usage["completion_tokens"]

    def written_long(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: written_long(each) for name, each in value.items()}
        return value if value is None else float(value)

    def read(usage: dict[str, Any]) -> tuple[Any, Any]:
        counted = usage_of(usage)
        choice = {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}
        answer = completion_of({"choices": [choice], "usage": usage}, counted, model="m")
        return counted, answer and answer.get("usage")

    assert read(usage) == read(written_long(usage))
