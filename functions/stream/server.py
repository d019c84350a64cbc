"""`python -m functions.stream.server`: listens on a port and serves the app, on threads, until a signal ends it."""

from __future__ import annotations

import logging
import math
import signal
import threading
import time
from types import FrameType
from typing import Any, cast

from waitress.channel import ClientDisconnected, HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.server import TcpWSGIServer
from waitress.task import ErrorTask, WSGITask
from waitress.utilities import Error, InternalServerError, RequestEntityTooLarge

from functions.stream.handler import app
from gateway.api.message import too_large
from gateway.api.port import RESERVE_SECONDS, CutOff, Port
from gateway.errors import BadRequest, GatewayError, InternalError
from gateway.settings import Settings, settings

MOST_READ = 32 * 1024 * 1024  # bytes of a body that are read before its refusal; beyond, the connection ends
_MOST_HEADERS = 64 * 1024
_MOST_WAITING = 1024 * 1024  # bytes that a client has not read yet: then its stream waits
_MOST_CONNECTIONS = 1_000
_LONGEST_WAIT = 120  # seconds for a complete request, and for a client that reads nothing of its answer
_LOOKS_EACH = 10  # seconds between two checks for such clients


class Parser(HTTPRequestParser):
    """Waitress's parser, but stricter against request smuggling: no two servers may read the same bytes as different
    requests. It also knows since when it has waited for the rest of its request."""

    def __init__(self, adjustments: Any) -> None:
        super().__init__(adjustments)
        self.since = time.monotonic()

    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)
        lines = header_plus.split(b"\r\n")[1:]
        said = [
            (name.strip().lower(), text.strip().lower()) for name, _, text in (line.partition(b":") for line in lines)
        ]
        coded = [text for name, text in said if name == b"transfer-encoding"]
        if coded and (self.version != "1.1" or b"content-length" in dict(said)):
            raise ParsingError("Transfer-Encoding together with Content-Length, or before HTTP/1.1")
        if len(coded) > 1 or (coded and b"," in coded[0]):
            raise ParsingError("More than one Transfer-Encoding")
        if any(line[:1] in (b" ", b"\t") for line in lines):
            raise ParsingError("A header's value over several lines")
        if self.body_rcv is None:
            self.expect_continue = False  # there is no body to wait for


class Refusal(ErrorTask):
    """The answer to a request that can't be parsed, in the app's error shapes."""

    def execute(self) -> None:
        def start(status: str, headers: list[tuple[str, str]]) -> None:
            self.status, self.response_headers = status, headers

        application = cast(Port, self.channel.server.application)
        asked: Any = self.request
        headers = {name.lower().replace("_", "-"): text for name, text in asked.headers.items()}
        path = getattr(asked, "path", "")  # missing if the first line can't be read
        (body,) = application.refuse(_fault(asked.error), path, headers, start)
        self.content_length = len(body)
        self.set_close_on_finish()
        self.write(body)


class Answering(WSGITask):
    """The application has already accounted for an answer that it could not finish. Ending the connection says so."""

    def execute(self) -> None:
        try:
            super().execute()
        except CutOff as cut:
            raise ClientDisconnected from cut


class Channel(HTTPChannel):
    parser_class = Parser
    task_class = Answering
    error_task_class = Refusal
    answers_since = math.inf  # start of the latest answer, on the monotonic clock

    def service(self) -> None:
        self.answers_since = time.monotonic()
        super().service()

    def overdue(self, longest_wait: float, longest_answer: float) -> bool:
        """Whether its client holds the connection too long. It sends its request too slowly, reads nothing of its
        answer, or does not read all of it in the time for an answer. A thread that waits for such a client would
        wait forever."""
        now = time.monotonic()
        if self.total_outbufs_len and now - self.answers_since > longest_answer:
            return True
        if self.total_outbufs_len:
            return time.time() - self.last_activity > longest_wait
        reading = None if self.requests else self.request
        return isinstance(reading, Parser) and now - reading.since > longest_wait


class Server(TcpWSGIServer):
    channel_class = Channel

    def maintenance(self, now: int) -> None:
        super().maintenance(now)
        longest = cast(Port, self.application).seconds + RESERVE_SECONDS
        channels: Any = self.active_channels  # by their sockets
        for channel in list(channels.values()):
            if channel.overdue(self.adj.channel_timeout, longest):
                channel.handle_close()  # its waiting thread notices, and settles the call


def _fault(error: Error | None) -> GatewayError:
    if isinstance(error, RequestEntityTooLarge):
        return too_large()
    if error is None or isinstance(error, InternalServerError):
        return InternalError()
    # The message does not repeat the header: a header that can't be read may contain the key.
    reason = error.body.partition('"')[0].strip(" .")
    return BadRequest(f"The request can't be read: {reason}.", code="invalid_http")


def listening(application: Port, config: Settings, **others: Any) -> Server:
    """A server that has bound its port, and serves once it is run. Raises OSError if the port is taken."""
    said: dict[str, Any] = {
        "host": config.host,
        "port": config.port,
        "threads": config.threads,
        "ident": None,
        "channel_request_lookahead": 1,  # keep reading while a request is served, to notice a hang-up
        "channel_timeout": _LONGEST_WAIT,
        "cleanup_interval": _LOOKS_EACH,
        "connection_limit": _MOST_CONNECTIONS,
        "asyncore_use_poll": True,
        "max_request_header_size": _MOST_HEADERS,
        "max_request_body_size": MOST_READ,
        "outbuf_high_watermark": _MOST_WAITING,
        "log_socket_errors": False,
        "clear_untrusted_proxy_headers": False,
    }
    return Server(application, **said | others)


def main() -> None:
    # Our own log already has its warnings about requests. Defects of its code are logged as errors.
    logging.getLogger("waitress").setLevel(logging.ERROR)
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    ending = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        ending.set()
        raise SystemExit(0)

    config = settings()
    server = listening(app(config, ending), config)
    signal.signal(signal.SIGTERM, end)
    server.run()


if __name__ == "__main__":
    main()
