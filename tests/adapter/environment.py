"""An execution environment of Lambda: the real Lambda Web Adapter and the app behind it, each in its own process."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tools.local.emulator import ROOT, free_port

ADAPTER = ROOT / ".local" / "adapter" / "bin" / "lambda-adapter"
_STOP_SECONDS = 10.0


@contextmanager
def environment(
    runtime: str,
    app: Sequence[str],
    variables: Mapping[str, str],
    log: Path,
    *,
    port: int | None = None,
    folder: Path = ROOT,
) -> Iterator[None]:
    """One environment, which exists until the block ends. It takes one event at a time from the Runtime API at
    `runtime`.

    `variables` are those with which the function is deployed; `app` is the command that is its handler, run in
    `folder`. The app listens on AWS_LWA_PORT, or on a free port if `port` is None. Both processes write to `log`.
    """
    lambdas = {
        "AWS_LAMBDA_RUNTIME_API": runtime,
        "AWS_LAMBDA_FUNCTION_NAME": "stream",
        "AWS_LAMBDA_FUNCTION_VERSION": "1",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/stream",
        "AWS_LAMBDA_LOG_STREAM_NAME": "2026/01/01/[1]0",
        "AWS_REGION": "us-east-1",
    }
    given = lambdas | dict(variables) | {"AWS_LWA_PORT": str(port or free_port())}
    with ExitStack() as stack:
        out = stack.enter_context(log.open("ab"))
        for command in (list(app), [str(ADAPTER)]):
            process = subprocess.Popen(command, cwd=folder, env=given, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
            stack.callback(_end, process)
        yield


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
