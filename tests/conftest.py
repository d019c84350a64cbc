"""Fixtures that every suite shares."""

import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import hypothesis
import pytest

from gateway import context, observability, settings

# No test is timed, because a slow answer of a busy machine is not a defect of the code.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


@pytest.fixture
def gateway_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The environment of a function, with nothing left from another test."""
    variables = {
        "GATEWAY_ENVIRONMENT": "test",
        "GATEWAY_TABLE_PREFIX": "ai-gateway-test",
        "GATEWAY_VERSION": "1.2.3",
        "GATEWAY_PROVIDERS": "openai,bedrock",
        "AWS_REGION": "us-east-1",
        "AWS_LAMBDA_FUNCTION_NAME": "ai-gateway-test-function",
        "LOG_LEVEL": "INFO",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings.settings.cache_clear()
    with context.entered(context.Context()):
        yield
    settings.settings.cache_clear()


@pytest.fixture
def log_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[], list[dict[str, Any]]]:
    """The lines that were logged since the last call: lines of the logger and of metrics, parsed."""
    output = io.StringIO()
    for handler in observability.log.handlers:  # these handlers kept the stream that existed when they were made
        monkeypatch.setattr(handler, "stream", output)

    def read() -> list[dict[str, Any]]:
        text = output.getvalue() + capsys.readouterr().out  # metrics are printed
        lines = [json.loads(line) for line in text.splitlines()]
        output.seek(0)
        output.truncate()
        return lines

    return read
