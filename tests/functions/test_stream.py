"""The streaming function's server and door over real sockets: the bytes that a client sends, and the bytes that come
back."""

from __future__ import annotations

import gzip
import json
import logging
import socket
import threading
import time
from collections.abc import Iterable, Iterator

import pytest

from functions.stream.server import MOST_READ
from gateway.api.message import MAX_BODY_BYTES, Request, Response
from gateway.api.port import Environ, Port, StartResponse
from gateway.api.routes import Described, Route, service
from gateway.settings import settings
from tests.fakes.served import exchanged, opened, served, until

_D = Described(summary="A test.", answers={})
HEAD = b"host: x\r\nconnection: close\r\n"


class App:
    """Routes of a test, and the requests that they got."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self.seen: list[Request] = []
        self.go = threading.Semaphore(0)

    def echo(self, request: Request) -> Response:
        self.seen.append(request)
        return Response(200, {"n": len(request.body), "path": request.path, "parameters": dict(request.parameters)})

    def stream(self, request: Request) -> Response:
        self.seen.append(request)

        def pieces() -> Iterator[bytes]:
            try:
                for number in range(1_000):
                    assert self.go.acquire(timeout=60)
                    yield b"data: %d\n\n" % number
            finally:
                self.ended.set()

        return Response(200, pieces(), media_type="text/event-stream")

    def silent(self, request: Request) -> Response:
        """Sends one piece, and then waits for something that does not come, until its client has gone."""

        def pieces() -> Iterator[bytes]:
            try:
                yield b"data: first\n\n"
                while not request.gone():
                    self.go.acquire(timeout=0.01)
            finally:  # it may be closed while it yields, before it asks
                self.ended.set()

        return Response(200, pieces(), media_type="text/event-stream")

    @staticmethod
    def broken(request: Request) -> Response:
        def pieces() -> Iterator[bytes]:
            yield from [b"data: 1\n\n"][: int(request.query["after"])]
            raise ValueError("no")

        return Response(200, pieces(), media_type="text/event-stream")


@pytest.fixture
def app() -> App:
    return App()


@pytest.fixture
def ending() -> threading.Event:
    return threading.Event()


@pytest.fixture
def port(app: App, ending: threading.Event, gateway_environment: None) -> Iterator[int]:
    table = {
        "POST /v1/messages": app.echo,
        "POST /v1/chat/completions": app.echo,
        "GET /v1/models/{id+}": app.echo,
        "GET /v1/stream": app.stream,
        "GET /v1/silent": app.silent,
        "GET /v1/broken": app.broken,
        "HEAD /": lambda _request: Response(200, ""),
    }
    routes = [
        Route(
            method_path=path,
            handler=handler,
            auth="public",
            scope=None,
            errors="messages" if "messages" in path else "openai",
            described=_D,
        )
        for path, handler in table.items()
    ]
    application = Port(service("test", routes), origins=("https://a.example",), ending=ending)
    with served(application, settings()) as found:
        yield found


def parted(answer: bytes) -> tuple[int, dict[str, str], bytes]:
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    return int(first.split(" ")[1]), {line.partition(":")[0].lower(): line.partition(": ")[2] for line in lines}, body


def asked(port: int, line: str, headers: bytes = b"", body: bytes = b"") -> tuple[int, dict[str, str], bytes]:
    length = b"content-length: %d\r\n" % len(body) if body else b""
    return parted(exchanged(port, line.encode() + b" HTTP/1.1\r\n" + HEAD + headers + length + b"\r\n" + body))


@pytest.mark.parametrize(
    "target",
    [
        "/v1/models/a%2Fb/c",
        "/live/v1/models/a/b/c",
        "/models/a/b%2Fc",
        "/live/models/a/b/c",
        "//v1/models/a/b/c",
        "http://h.example/v1/models/a/b/c",
        "/v1/v1/models/a/b/c",
        "/v1/models/a/b/c?limit=1#x",
    ],
)
def test_a_path_comes_with_its_stage_without_its_base_path_or_bare(port: int, target: str) -> None:
    status, _, body = asked(port, f"GET {target}")
    assert (status, json.loads(body)["parameters"]) == (200, {"id": "a/b/c"})


@pytest.mark.parametrize("path", ["/", "/v1/nothing", "/v1/models/a"])
def test_an_answer_to_head_has_no_body(port: int, path: str) -> None:
    both = f"HEAD {path} HTTP/1.1\r\nhost: x\r\n\r\nHEAD / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    first, second, rest = exchanged(port, both.encode()).split(b"\r\n\r\n")
    assert (first.startswith(b"HTTP/1.1 "), second.startswith(b"HTTP/1.1 200 "), rest) == (True, True, b"")


@pytest.mark.parametrize(
    ("line", "form"),
    [
        ("GET /v1/nothing", "openai"),
        ("GET /", "openai"),
        ("PUT /v1/chat/completions", "openai"),
        ("GET /live/v2/v1/chat/completions", "openai"),
        ("GET /v1/chat%2Fcompletions", "openai"),
        ("POST *", "openai"),
        ("DELETE /live/v1/messages", "messages"),
        ("POST /messages/nothing", "messages"),
    ],
)
def test_what_is_no_route_is_a_404_in_the_shape_of_its_client(port: int, line: str, form: str) -> None:
    status, headers, body = asked(port, line)
    told = json.loads(body)
    assert status == 404
    assert headers["x-request-id"]
    assert (told.get("type") == "error") == (form == "messages"), told
    assert told["error"]["type"] == ("not_found_error" if form == "messages" else "invalid_request_error")
    if form == "messages":
        assert told["request_id"] == headers["request-id"] == headers["x-request-id"]


def test_an_endless_method_or_path_is_not_repeated_whole(port: int) -> None:
    for line in ("M" * 5_000 + " /v1/messages", "GET /" + "p" * 5_000):
        status, _, body = asked(port, line)
        assert (status, len(body) < 1_000) == (404, True)


def test_whoever_asks_whether_anybody_is_there_is_told(port: int) -> None:
    for target in ("/", "/live", "/live/"):
        status, headers, body = asked(port, f"HEAD {target}")
        assert (status, headers["content-length"], body) == (200, "0", b"")


@pytest.mark.parametrize(
    ("version", "head", "body", "status"),
    [
        ("1.1", b"content-length: 3\r\n", b"abc", 200),
        ("1.1", b"transfer-encoding: chunked\r\n", b"1\r\na\r\n2;x=y\r\nbc\r\n0\r\n\r\n", 200),
        ("1.0", b"content-length: 3\r\n", b"abc", 200),
        # Requests that two servers could read as two requests:
        ("1.1", b"content-length: 3\r\ntransfer-encoding: chunked\r\n", b"3\r\nabc\r\n0\r\n\r\n", 400),
        ("1.0", b"transfer-encoding: chunked\r\n", b"3\r\nabc\r\n0\r\n\r\n", 400),
        ("1.1", b"content-length: 3\r\ncontent-length: 4\r\n", b"abc", 400),
        ("1.1", b"content-length: 3, 3\r\n", b"abc", 400),
        ("1.1", b"content-length: +3\r\n", b"abc", 400),
        ("1.1", b"content-length : 3\r\n", b"abc", 400),
        ("1.1", b"transfer-encoding: gzip, chunked\r\n", b"", 400),
        ("1.1", b"transfer-encoding: \x0bchunked\r\n", b"", 400),
        ("1.1", b"transfer-encoding: chunked\r\nTransfer-Encoding: chunked\r\n", b"3\r\nabc\r\n0\r\n\r\n", 400),
        ("1.1", b"transfer-encoding: chunked, chunked\r\n", b"3\r\nabc\r\n0\r\n\r\n", 400),
        ("1.1", b"transfer-encoding: chunked\r\n", b"x\r\nabc\r\n0\r\n\r\n", 400),
        ("1.1", b"transfer-encoding: chunked\r\n", b"3\r\nabcd\r\n0\r\n\r\n", 400),
        ("1.1", b"x: a\r\n b\r\n", b"", 400),
        ("1.1", b"x: a\rb\r\n", b"", 400),
        ("1.1", b"no colon\r\n", b"", 400),
        ("1.1", b"x: " + b"a" * 70_000 + b"\r\n", b"", 400),
    ],
)
def test_one_request_has_one_end(port: int, app: App, version: str, head: bytes, body: bytes, status: int) -> None:
    start = b"POST /v1/messages HTTP/%s\r\n" % version.encode()
    found, _, told = parted(exchanged(port, start + HEAD + head + b"\r\n" + body))
    assert found == status, told
    assert len(app.seen) == (status == 200)
    if status == 200:
        assert json.loads(told)["n"] == 3
    else:
        assert json.loads(told)["error"]["code"] == "invalid_http"


def test_a_first_line_that_is_none_is_answered(port: int) -> None:
    for sent in (b"nonsense\r\n\r\n", b"get / HTTP/1.1\r\n\r\n", b"GET  / HTTP/1.1\r\n\r\n", b"GET / HTTP/9\r\n\r\n"):
        status, _, body = parted(exchanged(port, sent))
        assert (status, json.loads(body)["error"]["code"]) == (400, "invalid_http"), sent


def test_a_request_without_a_body_that_expects_to_go_on_is_no_half_of_the_next(port: int, app: App) -> None:
    first = b"GET /v1/models/one HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\nx-api-key: mine\r\n\r\n"
    answers = exchanged(port, first + b"GET /v1/models/two HTTP/1.1\r\n" + HEAD + b"x-api-key: other\r\n\r\n")
    assert answers.count(b"HTTP/1.1 200") == 2
    assert [each.parameters["id"] for each in app.seen] == ["one", "two"]
    assert [each.headers["x-api-key"] for each in app.seen] == ["mine", "other"]


def test_requests_on_one_connection_are_answered_in_their_order(port: int, app: App) -> None:
    one = b"POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nab"
    answers = exchanged(port, one * 5 + b"GET /v1/models/last HTTP/1.1\r\n" + HEAD + b"\r\n")
    assert answers.count(b"HTTP/1.1 200 OK") == 6
    assert [each.route for each in app.seen] == ["POST /v1/messages"] * 5 + ["GET /v1/models/{id+}"]


def test_a_client_that_waits_for_leave_to_send_its_body_is_given_it(port: int) -> None:
    with opened(
        port, b"POST /v1/messages HTTP/1.1\r\n" + HEAD + b"expect: 100-continue\r\ncontent-length: 3\r\n\r\n"
    ) as it:
        assert until(it, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        it.sendall(b"abc")
        assert parted(b"".join(iter(lambda: it.recv(65_536), b"")))[0] == 200


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(
    ("path", "kind"), [("messages", "request_too_large"), ("chat/completions", "invalid_request_error")]
)
def test_a_body_that_is_too_large_is_refused_in_its_dialect(
    port: int, app: App, path: str, kind: str, chunked: bool
) -> None:
    body, framing = b"x" * (MAX_BODY_BYTES + 1), b"content-length: %d\r\n" % (MAX_BODY_BYTES + 1)
    if chunked:
        body, framing = b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n", b"transfer-encoding: chunked\r\n"
    status, _, told = parted(
        exchanged(port, f"POST /v1/{path} HTTP/1.1\r\n".encode() + HEAD + framing + b"\r\n" + body)
    )
    assert (status, json.loads(told)["error"]["type"]) == (413, kind)
    assert app.seen == []


def test_a_body_without_end_is_not_read(port: int, app: App) -> None:
    """Only the head is sent. A server that waited for the rest would wait forever."""
    for length in (MOST_READ, 10**12, 10**30):
        head = b"POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % length
        status, headers, told = parted(exchanged(port, head))
        assert (status, json.loads(told)["error"]["type"], headers["connection"]) == (413, "request_too_large", "close")
    assert app.seen == []


def test_a_packed_body_is_unpacked_and_bombs_are_not(port: int, app: App) -> None:
    packed = b"content-encoding: gzip\r\n"
    status, _, told = asked(port, "POST /v1/messages", packed, gzip.compress(b"a" * 1_000))
    assert (status, json.loads(told)["n"]) == (200, 1_000)
    bomb = gzip.compress(b" " * (MAX_BODY_BYTES + 1))
    assert asked(port, "POST /v1/messages", packed, bomb)[0] == 413
    assert asked(port, "POST /v1/messages", b"content-encoding: br\r\n", b"abc")[0] == 415
    assert len(app.seen) == 1


def say_on(app: App) -> None:
    """Sends data to a client that is gone. It is lost until the server notices that nobody reads it."""
    deadline = time.monotonic() + 60
    while not app.ended.wait(0.02):
        assert time.monotonic() < deadline
        app.go.release()


def test_pieces_leave_as_they_are_made(port: int, app: App) -> None:
    with opened(port, b"GET /v1/stream HTTP/1.1\r\nhost: x\r\n\r\n") as client:
        for number in range(5):
            app.go.release()  # the next piece is not made before this one has arrived
            said = b"data: %d\n\n\r\n" % number
            assert until(client, said).endswith(said)
        assert not app.ended.is_set()
    say_on(app)


@pytest.mark.parametrize("how", ["close", "reset", "half"])
def test_a_client_that_hangs_up_ends_what_is_silent(port: int, app: App, how: str) -> None:
    client = opened(port, b"GET /v1/silent HTTP/1.1\r\nhost: x\r\n\r\n")
    assert b"first" in until(client, b"first")
    if how == "half":
        client.shutdown(socket.SHUT_WR)
    else:
        if how == "reset":
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        client.close()
    assert app.ended.wait(60)
    client.close()


def test_a_server_that_ends_ends_its_streams(port: int, app: App, ending: threading.Event) -> None:
    with opened(port, b"GET /v1/silent HTTP/1.1\r\nhost: x\r\n\r\n") as client:
        assert b"first" in until(client, b"first")
        ending.set()
        assert app.ended.wait(60)


def test_what_breaks_before_its_first_byte_has_its_status_and_later_no_end(
    port: int, caplog: pytest.LogCaptureFixture
) -> None:
    status, headers, body = asked(port, "GET /v1/broken?after=0", b"origin: https://a.example\r\n")
    assert (status, json.loads(body)["error"]["code"]) == (500, "internal_error")
    assert headers["access-control-allow-origin"] == "https://a.example"
    status, headers, body = asked(port, "GET /v1/broken?after=1")
    assert (status, headers["transfer-encoding"]) == (200, "chunked")
    assert body == b"9\r\ndata: 1\n\n\r\n"  # there is no last chunk, so a client can't take the answer for complete
    assert not [record for record in caplog.records if record.name == "waitress"], "the door has told it already"


def test_what_is_cut_off_is_told_by_our_own_log_alone(port: int, app: App, caplog: pytest.LogCaptureFixture) -> None:
    with opened(port, b"GET /v1/stream HTTP/1.1\r\nhost: x\r\n\r\n") as client:
        app.go.release()
        assert until(client, b"data: 0")
    say_on(app)
    asked(port, "GET /v1/broken?after=1")
    assert asked(port, "GET /v1/models/a")[0] == 200
    theirs = [record for record in caplog.records if record.name == "waitress"]
    assert [record.getMessage() for record in theirs if record.levelno >= logging.WARNING] == []
    assert "unexpected error" in caplog.text


def test_a_defect_behind_our_own_log_is_told_by_the_server(
    app: App, gateway_environment: None, caplog: pytest.LogCaptureFixture
) -> None:
    class Defective(Port):
        def __call__(self, environ: Environ, start: StartResponse) -> Iterable[bytes]:
            raise LookupError("a defect")

    with served(Defective(service("test", [])), settings()) as port:
        assert asked(port, "GET /")[0] == 500
    assert "LookupError: a defect" in caplog.text


def test_pages_of_allowed_origins_may_ask(port: int) -> None:
    asks = b"access-control-request-method: POST\r\n"
    status, headers, body = asked(port, "OPTIONS /live/v1/messages", b"origin: https://a.example\r\n" + asks)
    assert (status, body) == (204, b"")
    assert headers["access-control-allow-origin"] == "https://a.example"
    assert headers["access-control-allow-methods"] == "POST"
    assert "anthropic-version" in headers["access-control-allow-headers"].split(", ")
    _, headers, _ = asked(port, "OPTIONS /v1/messages", b"origin: https://b.example\r\n" + asks)
    assert "access-control-allow-origin" not in headers
    assert asked(port, "OPTIONS /v1/nothing", asks)[0] == 404
    _, headers, _ = asked(port, "GET /v1/models/a", b"origin: https://a.example\r\n")
    assert "x-request-id" in headers["access-control-expose-headers"]


def test_where_no_adapter_is_its_words_are_a_client_s(port: int, app: App) -> None:
    context = json.dumps({"identity": {"sourceIp": "9.9.9.9"}, "requestId": "forged", "authorizer": {"keyId": "k"}})
    _, headers, _ = asked(port, "GET /v1/models/a", b"x-amzn-request-context: %s\r\n" % context.encode())
    assert headers["x-request-id"] != "forged"
    (request,) = app.seen
    assert (request.source, dict(request.context)) == ("127.0.0.1", {})
    assert "x-amzn-request-context" not in request.headers
