"""The conclusions that `make verify-aws` draws; tests/terraform/test_commands.py runs the whole command."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

from tools.aws import verify
from tools.aws.place import OperatorError, Place
from tools.aws.streaming import Streamed, ask, chat, ended
from tools.manifest import Names

PIECES = (b"data: 1\n\n", b"data: 2\n\n", b"data: [DONE]\n\n")


class _Gateway(BaseHTTPRequestHandler):
    """An admin's side that makes and deletes a key, and a streaming door that sends `PIECES`, and one more each time
    that `more` allows it."""

    more: ClassVar[threading.Semaphore]
    deleted: ClassVar[list[str]]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        if self.path.endswith("/keys"):
            good = self.headers["x-api-key"] == "admin"
            self._say(201 if good else 403, b'{"key": "sk-made", "id": "made"}' if good else b"{}")
            return
        self.send_response(200)
        self.end_headers()
        for piece in PIECES:
            self.wfile.write(piece)
            self.more.acquire(timeout=5)

    def do_GET(self) -> None:
        self._say(200, b'{"data": []}')

    def do_DELETE(self) -> None:
        self.deleted.append(self.path)
        self._say(200, b"{}")

    def _say(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def gateway() -> Iterator[tuple[str, type[_Gateway]]]:
    handler = type("Handler", (_Gateway,), {"more": threading.Semaphore(100), "deleted": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", handler
    finally:
        server.shutdown()
        server.server_close()


def test_a_stream_is_read_to_its_end_or_left_after_some_pieces(gateway: tuple[str, type[_Gateway]]) -> None:
    url, handler = gateway
    whole = ask(url, "POST", "/v1/chat/completions", {}, chat("m"))
    assert ended(whole)
    assert whole.text == b"".join(PIECES).decode()
    assert list(whole.came) == sorted(whole.came)
    handler.more = threading.Semaphore(0)
    left = ask(url, "POST", "/v1/chat/completions", {}, chat("m"), pieces=1)
    handler.more.release(3)
    assert (left.text, len(left.came)) == ("data: 1\n\n", 1)


def test_what_did_not_end_well_is_told() -> None:
    assert not ended(Streamed(200, {}, "data: {}\n\n"))
    assert not ended(Streamed(200, {}, 'data: {"error": {}}\n\ndata: [DONE]\n\n'))
    assert not ended(Streamed(502, {}, "data: [DONE]\n\n"))
    assert ended(Streamed(200, {}, 'event: message_stop\ndata: {"type": "message_stop"}\n\n'), "messages")
    nobody = ask("http://127.0.0.1:1", "GET", "/")
    assert (nobody.status, ended(nobody)) == (0, False)
    assert nobody.said.startswith("no answer")


def _asked(url: str, admin: str) -> verify.Verification:
    return verify.Verification(Place(Names("dev"), None, "http://127.0.0.1:1"), url, url, admin)


def test_its_key_is_deleted_whatever_happens(gateway: tuple[str, type[_Gateway]]) -> None:
    url, handler = gateway
    with pytest.raises(OperatorError, match="lists no model"):
        list(_asked(url, "admin").run())
    assert handler.deleted == ["/api/v1/admin/keys/made"]


def test_who_is_no_admin_is_told_so(gateway: tuple[str, type[_Gateway]]) -> None:
    url, handler = gateway
    with pytest.raises(OperatorError, match="GATEWAY_KEY is an admin's key"):
        list(_asked(url, "somebody").run())
    assert handler.deleted == []


def test_the_page_says_what_was_not_run_and_why() -> None:
    seen = [verify.Seen("a", True, "1 | 2"), verify.Seen("b", False, "503\nx"), verify.Seen("c", None, "no AWS")]
    page = verify.report("ai-gateway-dev", "eu-central-1", seen, 0)
    assert page.splitlines()[0] == "# ai-gateway-dev in eu-central-1, 1970-01-01 00:00 UTC"
    assert page.splitlines()[4:] == ["| a | ok | 1 \\| 2 |", "| b | FAILED | 503 x |", "| c | not run | no AWS |"]
    assert [each.line().split()[0] for each in seen] == ["ok", "FAILED", "not"]
