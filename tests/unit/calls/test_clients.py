"""The class of a User-Agent, with the values that libraries and programs really send."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.calls.clients import OTHER, classes, client_class


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ("OpenAI/Python 2.8.0", "openai-python"),
        ("AsyncOpenAI/Python 2.8.0", "openai-python"),
        ("OpenAI/JS 6.1.0", "openai-node"),
        ("OpenAI/Go 3.0.0", "openai-sdk"),
        ("Anthropic/Python 0.75.0", "anthropic-sdk"),
        ("AsyncAnthropic/Python 0.75.0", "anthropic-sdk"),
        ("Anthropic/JS 0.70.0", "anthropic-sdk"),
        ("claude-cli/2.0.50 (external, cli)", "claude-code"),
        ("codex_cli_rs/0.63.0 (Mac OS 26.1.0; arm64) iTerm.app/3.6.5", "codex"),
        ("ai/5.0.100 ai-sdk/provider-utils/3.0.17 runtime/node.js/22", "ai-sdk"),
        ("curl/8.7.1", "curl"),
        ("python-requests/2.32.5", "python"),
        ("PostmanRuntime/7.49.1", "postman"),
        ("Mozilla/5.0 (Macintosh) AppleWebKit/605", "browser"),
        ("", OTHER),
        ("x openai/python", OTHER),
    ],
)
def test_what_a_client_sends_is_a_class(sent: str, name: str) -> None:
    assert client_class(sent) == name


@given(st.text(max_size=200))
def test_nothing_of_a_caller_s_own_words_comes_through(sent: str) -> None:
    assert client_class(sent) in {OTHER, *(name for _, name in classes())}


def test_each_line_of_the_table_can_be_the_one_that_counts() -> None:
    assert [client_class(beginning) for beginning, _ in classes()] == [name for _, name in classes()]
