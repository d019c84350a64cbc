"""Where calls are measured: an upstream, a DynamoDB that says yes and whatever passes calls on, each in its own
process, so that CPU is counted separately. All on the loopback interface."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.aws.http import AwsHttp
from gateway.aws.sigv4 import Credentials
from gateway.dynamodb.client import DynamoDB
from gateway.identity import key_text
from gateway.identity.caller import SCOPES, Caller, KeyLimits
from gateway.identity.store import KeyRecord, KeyStore
from gateway.identity.verification import Identity
from gateway.transport import Connections, NotSent
from tools.local.emulator import ROOT, free_port

PARTS = Path(__file__).parent
PATH = "/v1/chat/completions"
MODELS = {"OpenAI": "gpt-4", "Bedrock": "claude-3-sonnet"}
JSON = {"content-type": "application/json"}
_UNLIMITED = 1_000_000_000
_READY_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Place:
    """`upstream` is where both vendors answer, `environment` the functions' own, `caller` an enterprise's key that no
    limit hinders, `key` its text."""

    upstream: str
    environment: Mapping[str, str]
    caller: Caller
    key: str

    def event(self, model: str, prompt: str = "Hello!") -> str:
        """The event that API Gateway would send: a paid call, its key checked."""
        body = {"model": model, "max_tokens": 100, "messages": [{"role": "user", "content": prompt}]}
        return json.dumps(
            {
                "version": "2.0",
                "routeKey": f"POST {PATH}",
                "rawPath": PATH,
                "rawQueryString": "",
                "headers": JSON | {"host": "api", "user-agent": "OpenAI/Python 3.54.0", "authorization": "Bearer sk-x"},
                "requestContext": {
                    "http": {"method": "POST", "path": PATH},
                    "requestId": "Jx2fQgLcoAMEVZg=",
                    "authorizer": {"lambda": self.caller.to_context()},
                },
                "body": json.dumps(body),
                "isBase64Encoded": False,
            }
        )


@contextmanager
def place(takes: float = 0.0) -> Iterator[Place]:
    """Both servers, of which DynamoDB takes so many seconds to answer, and a key."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT / 'shared'}:{ROOT}"}
    upstream = [sys.executable, "-m", "tests.upstream"]
    dynamodb = [sys.executable, str(PARTS / "dynamodb.py"), str(takes)]
    with _running(upstream, environment, cwd=ROOT) as one, _running(dynamodb, environment, cwd=ROOT) as other:
        url, endpoint = (str(each.stdout.readline()).strip() for each in (one, other) if each.stdout)
        prefix = f"b-{secrets.token_hex(4)}"
        yield Place(url, environment | _variables(prefix, endpoint, url), *_caller(endpoint, prefix))


def _caller(endpoint: str, prefix: str) -> tuple[Caller, str]:
    database = DynamoDB(AwsHttp("dynamodb", "us-east-1", endpoint, lambda: Credentials("x", "y")), timeout=30)
    keys, text = KeyStore(database, f"{prefix}-api-keys"), key_text.new_key()
    limits = KeyLimits(rpm_limit=_UNLIMITED, rpd_limit=_UNLIMITED, max_budget=10**12)
    record = KeyRecord(
        id=key_text.key_id(text) or "",
        digest=key_text.digest(text),
        name="measured",
        tier="enterprise",
        scopes=SCOPES,
        created="2026-11-24T00:00:00.000Z",
        limits=limits,
    )
    keys.create(record)
    caller = Identity(keys, time.time).verify(text)
    if caller is None:
        raise SystemExit("the key that was made is unknown")
    return caller, text


def _variables(prefix: str, dynamodb: str, upstream: str) -> dict[str, str]:
    return {
        "GATEWAY_ENVIRONMENT": "bench",
        "GATEWAY_TABLE_PREFIX": prefix,
        "GATEWAY_VERSION": "0.1.0",
        "GATEWAY_PROVIDERS": "openai,bedrock",
        "GATEWAY_STORE_TIMEOUT_SECONDS": "20",
        "GATEWAY_LOOPBACK_PROVIDERS": "allow",
        "OPENAI_BASE_URL": f"{upstream}/v1",
        "OPENAI_SECRET_ID": "openai",
        "BEDROCK_REGION": "us-east-1",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "y",
        "AWS_SESSION_TOKEN": "t" * 800,  # a role's is that long, and signed with every request
        "AWS_LAMBDA_FUNCTION_NAME": f"{prefix}-completions",
        "AWS_ENDPOINT_URL_DYNAMODB": dynamodb,
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": upstream,
        "AWS_ENDPOINT_URL_SECRETSMANAGER": upstream,
    }


class Function:
    """The function completions in its own process, of this checkout or another's."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, line: str) -> Any:
        """What it answers to an event or a question."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def call(self, event: str) -> None:
        answer = self.ask(event)
        if answer["statusCode"] != 200:
            raise SystemExit(f"a call failed: {answer}")

    def cpu(self) -> float:
        return float(self.ask("cpu")["all"])


@contextmanager
def function(where: Place, checkout: Path = ROOT) -> Iterator[Function]:
    environment = dict(where.environment) | {"PYTHONPATH": f"{checkout / 'shared'}:{checkout}"}
    with _running([sys.executable, str(PARTS / "function.py")], environment, cwd=checkout) as process:
        yield Function(process)


class Server:
    """An upstream, or a proxy before it, over one kept-alive connection."""

    def __init__(self, url: str, authorization: str = "Bearer sk-x") -> None:
        self._connections, self._headers = Connections(url), JSON | {"authorization": authorization}

    def post(self, path: str, body: bytes) -> None:
        reply = self._connections.request("POST", path, body, self._headers, 30)
        if reply.status != 200:
            raise SystemExit(f"a call failed: {reply.status} {reply.body!r}")

    def cpu(self) -> float:
        return float(self._connections.request("GET", "/cpu", b"", {}, 30).body)


@contextmanager
def bare_proxy(where: Place, library: str) -> Iterator[Server]:
    with bare_proxy_process(where, library) as (url, _):
        yield Server(url)


@contextmanager
def bare_proxy_process(where: Place, library: str) -> Iterator[tuple[str, int]]:
    """Its URL and its process. `library` is the client that it calls the upstream with: httpx, or its successor httpx2,
    which takes a fifth less."""
    with _listening(lambda port: [str(PARTS / "proxy.py"), where.upstream, str(port), library], {}, "/cpu") as found:
        yield found


@contextmanager
def door(where: Place, **more: str) -> Iterator[tuple[str, int]]:
    """The streaming door as it is deployed, except for the adapter: its URL and its process."""
    environment = {**where.environment, "GATEWAY_THREADS": "256", **more}
    with _listening(lambda port: ["-m", "functions.stream.server"], environment, "/ready") as found:
        yield found


@contextmanager
def _listening(
    command: Callable[[int], list[str]], environment: Mapping[str, str], ready: str
) -> Iterator[tuple[str, int]]:
    port = free_port()
    said = {"PATH": os.environ["PATH"], "PORT": str(port), **environment}
    with _running([sys.executable, *command(port)], said, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + _READY_SECONDS
        while True:
            try:
                Connections(url).request("GET", ready, b"", {}, 30)
                break
            except NotSent:
                if time.monotonic() > deadline or process.poll() is not None:
                    raise
                time.sleep(0.1)
        yield url, process.pid


@contextmanager
def _running(
    command: list[str], environment: Mapping[str, str], cwd: Path, stdout: int = subprocess.PIPE
) -> Iterator[subprocess.Popen[str]]:
    """Output that nobody reads must go nowhere: a full pipe stops the process that writes into it."""
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": stdout, "text": True}
    process = subprocess.Popen(command, env=environment, cwd=cwd, **pipes)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
