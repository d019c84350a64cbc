"""Our signed HTTP compared with botocore: CPU to be ready and CPU a call, both in one run. The ratio counts."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
from botocore.config import Config

ROOT = Path(__file__).parent.parent
# A script's own folder stands on the path, not the project's: what is imported from it comes behind this.
sys.path[:0] = [str(ROOT), str(ROOT / "shared")]

from gateway.aws.http import AwsHttp  # noqa: E402
from gateway.aws.sigv4 import Credentials  # noqa: E402
from gateway.dynamodb.client import DynamoDB  # noqa: E402

CALLS = 500
OURS = "import gateway.wiring, gateway.aws.http, gateway.dynamodb.client"
THEIRS = "import boto3; boto3.client('dynamodb', region_name='us-east-1')"
REQUEST = {"TableName": "t", "Key": {"id": {"S": "x"}}}


class Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


def start_up(code: str) -> float:
    """CPU seconds of a process that does this and ends; the least of five."""
    spent = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            [sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONPATH": f"{ROOT / 'shared'}:{ROOT}"}
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(spent)


def per_call(call: object) -> float:
    """CPU seconds of this thread for a call, over many."""
    assert callable(call)
    call()
    before = time.thread_time()
    for _ in range(CALLS):
        call()
    return (time.thread_time() - before) / CALLS


def main() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    credentials = Credentials("x", "y")
    ours = DynamoDB(AwsHttp("dynamodb", "us-east-1", endpoint, lambda: credentials))
    theirs = boto3.client(
        "dynamodb",
        region_name="us-east-1",
        endpoint_url=endpoint,
        aws_access_key_id="x",
        aws_secret_access_key="y",  # noqa: S106  nobody's
        config=Config(retries={"total_max_attempts": 1}),
    )
    figures = {
        "start-up, ms of CPU": (start_up(OURS) * 1e3, start_up(THEIRS) * 1e3),
        "a call, ms of CPU": (
            per_call(lambda: ours.call("GetItem", REQUEST)) * 1e3,
            per_call(lambda: theirs.get_item(**json.loads(json.dumps(REQUEST)))) * 1e3,
        ),
    }
    for name, (mine, botocore) in figures.items():
        print(f"{name:<22} ours {mine:7.2f}   botocore {botocore:7.2f}   ratio {botocore / mine:4.1f}")
    server.shutdown()
    theirs.close()


if __name__ == "__main__":
    main()
