"""Signed POSTs as they leave: what is kept from one to the next is never another's, and never an older credential's."""

from __future__ import annotations

import itertools
import re
import socketserver
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.aws.http import AwsHttp, NotSent
from gateway.aws.sigv4 import Credentials

FIRST, RENEWED = Credentials("AKIDFIRST", "secret", "token-one"), Credentials("AKIDNEXT", "other", "token-two")


class Requests(socketserver.ThreadingTCPServer):
    """Answers every request with its own body, and keeps the requests."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seen: list[tuple[dict[str, str], bytes]] = []


class _Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        while self.rfile.readline():
            lines = iter(lambda: self.rfile.readline().decode().strip(), "")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            body = self.rfile.read(int(headers["content-length"]))
            server: Any = self.server
            server.seen.append((headers, body))
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


@pytest.fixture
def server() -> Iterator[Requests]:
    with Requests() as started:
        thread = threading.Thread(target=started.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield started
        started.shutdown()
        thread.join()


def test_each_request_is_signed_for_its_own_headers_path_and_credentials(server: Requests) -> None:
    held, seconds = [FIRST], itertools.count(1_800_000_000)
    endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    http = AwsHttp("dynamodb", "eu-west-1", endpoint, lambda: held[0], lambda: next(seconds))
    same = Credentials("AKIDFIRST", "secret", "token-one")  # looked up again, and still the same
    for credentials, path, target, body in (
        (FIRST, "/", "A", b"1"),
        (same, "/", "A", b""),
        (FIRST, "/", "B", b"2"),
        (RENEWED, "/", "A", b"1"),
        (RENEWED, "/x", "A", b"1"),
        (FIRST, "/", "A", b"1"),
    ):
        held[0] = credentials
        reply = http.post(path, body, {"x-amz-target": target}, 10.0)
        headers, sent = server.seen.pop()
        assert (reply.status, reply.body, sent) == (200, body, body)
        assert (headers["x-amz-target"], headers["x-amz-security-token"]) == (target, credentials.token)
        assert re.search(r"Credential=(\w+)/", headers["authorization"]).group(1) == credentials.access_key  # type: ignore[union-attr]


def test_credentials_are_asked_for_once_a_second(server: Requests) -> None:
    moments, asked = iter([10.0, 10.9, 11.0, 11.5, 10.5]), itertools.count()
    endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    http = AwsHttp(
        "dynamodb", "eu-west-1", endpoint, lambda: Credentials(f"AKID{next(asked)}", "s"), lambda: next(moments)
    )
    used = []
    for _ in range(5):  # the clock is put back before the last one
        http.post("/", b"{}", {}, 10.0)
        found = re.search(r"Credential=(\w+)/", server.seen.pop()[0]["authorization"])
        assert found
        used.append(found[1])
    assert used == ["AKID0", "AKID0", "AKID1", "AKID1", "AKID2"]


def test_many_operations_are_signed_one_after_another(server: Requests) -> None:
    http = AwsHttp("dynamodb", "eu-west-1", f"http://127.0.0.1:{server.server_address[1]}", lambda: FIRST)
    signatures = set()
    for number in range(200):
        http.post("/", b"{}", {"x-amz-target": f"T.{number}"}, 10.0)
        headers, _ = server.seen.pop()
        assert headers["x-amz-target"] == f"T.{number}"
        signatures.add(headers["authorization"])
    assert len(signatures) == 200


def test_what_is_no_header_never_leaves_and_is_never_quoted(server: Requests) -> None:
    token = "t\r\nevil: 1"
    http = AwsHttp(
        "dynamodb", "eu-west-1", f"http://127.0.0.1:{server.server_address[1]}", lambda: Credentials("A", "s", token)
    )
    with pytest.raises(NotSent) as fault:
        http.post("/", b"{}", {}, 10.0)
    assert "evil" not in repr(fault.value) + repr(fault.value.__cause__)
    assert fault.value.__suppress_context__
    assert not server.seen
