"""The host of the local gateway's functions: processes are kept, shared and ended; and what a function may do to a
process."""

import json
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tools.local.host.deployed import Deployed
from tools.local.host.process import Failed
from tools.local.host.server import Pool

FUNCTION = """
import os, sys, time

def handler(event, context):
    print("said", event)
    if event == "raise":
        raise KeyError("no")
    if event == "exit":
        os._exit(3)
    if event == "hang":
        time.sleep(600)
    if event == "no json":
        return object()
    if event == "tools":
        import tools
    if event == "context":
        left = context.get_remaining_time_in_millis()
        return [context.function_name, context.aws_request_id, context.invoked_function_arn, 0 < left <= 60_000,
                os.environ.get("_X_AMZN_TRACE_ID")]
    if event == "slow":
        time.sleep(0.05)
    return {"pid": os.getpid(), "text": "ü\\n", "event": event}
"""


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def pool_of(tmp_path: Path, lines: list[str]) -> Iterator[Callable[[str], Pool]]:
    made: list[Pool] = []

    def make(source: str) -> Pool:
        (tmp_path / "greeter.py").write_text(source)
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(tmp_path),
            "AWS_LAMBDA_FUNCTION_NAME": "greeter",
            "AWS_LAMBDA_FUNCTION_VERSION": "1",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
            "AWS_LAMBDA_LOG_STREAM_NAME": "stream",
            "_HANDLER": "greeter.handler",
        }
        made.append(Pool(Deployed(tmp_path, environment, "stream"), lines.append))
        return made[-1]

    yield make
    for pool in made:
        pool.end()


@pytest.fixture
def pool(pool_of: Callable[[str], Pool]) -> Pool:
    return pool_of(FUNCTION)


def ask(pool: Pool, event: object, *, seconds: float = 60.0, trace: str | None = None) -> Any:
    facts = {"deadline": time.time() + seconds, "request_id": "r1", "arn": "arn:1", "trace": trace}
    return json.loads(pool.call(json.dumps(event).encode(), facts))


def test_a_process_is_kept(pool: Pool, lines: list[str]) -> None:
    first, second = ask(pool, {"a": "\n"}), ask(pool, "two")
    assert first["pid"] == second["pid"]
    assert (first["event"], first["text"]) == ({"a": "\n"}, "ü\n")
    assert pool.made == 1


def test_many_at_once_share_a_few(pool: Pool) -> None:
    with ThreadPoolExecutor(50) as threads:
        answers = list(threads.map(lambda _: ask(pool, "slow"), range(50)))
    assert len(answers) == 50
    assert len({answer["pid"] for answer in answers}) <= 8


@pytest.mark.parametrize(
    ("event", "kind"),
    [("raise", "KeyError"), ("exit", "Runtime.ExitError"), ("no json", "TypeError"), ("tools", "ModuleNotFoundError")],
)
def test_what_fails_says_so_and_the_next_call_has_a_new_process(pool: Pool, event: str, kind: str) -> None:
    before = ask(pool, "fine")
    with pytest.raises(Failed) as failed:
        ask(pool, event)
    assert failed.value.facts["errorType"] == kind
    assert ask(pool, "fine")["pid"] != before["pid"]
    assert pool.made == 1


def test_a_call_ends_at_its_deadline(pool: Pool) -> None:
    ask(pool, "fine")
    with pytest.raises(Failed) as failed:
        ask(pool, "hang", seconds=0.2)
    assert failed.value.facts["errorType"] == "Sandbox.Timedout"


def test_waiting_for_a_process_ends_at_the_deadline_too(pool_of: Callable[[str], Pool]) -> None:
    pool = pool_of("import time\ntime.sleep(0.5)\n" + FUNCTION)
    with pytest.raises(Failed) as failed:
        ask(pool, "fine", seconds=0.1)
    assert failed.value.facts["errorType"] == "Sandbox.Timedout"
    assert ask(pool, "fine")["event"] == "fine"  # the process that was started for it serves the next call


def _wait_until(said: Callable[[], bool]) -> None:
    """Another thread reads what a process writes, so its lines may come after its answer."""
    deadline = time.monotonic() + 60
    while not said():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_function_that_can_t_be_imported_says_why(pool_of: Callable[[str], Pool], lines: list[str]) -> None:
    pool = pool_of("import missing_thing\n")
    with pytest.raises(Failed, match="missing_thing"):
        ask(pool, "fine")
    _wait_until(lambda: any("Traceback" in line for line in lines))


def test_context_trace_and_log(pool: Pool, lines: list[str]) -> None:
    assert ask(pool, "context", trace="Root=1") == ["greeter", "r1", "arn:1", True, "Root=1"]
    assert ask(pool, "context") == ["greeter", "r1", "arn:1", True, None]
    _wait_until(lambda: len(lines) >= 2)
    assert lines == ["said context"] * 2


def test_an_ended_pool_keeps_nothing(pool: Pool) -> None:
    ask(pool, "fine")
    pool.end()
    assert pool.free == []
