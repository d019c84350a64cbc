"""`python -m functions.stream.server`: listens on a port and serves the app, on threads, until it is told to end."""

from __future__ import annotations

import logging
import signal
import threading
from types import FrameType
from typing import Any, cast

from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.server import BaseWSGIServer, create_server
from waitress.task import ErrorTask
from waitress.utilities import Error, InternalServerError, RequestEntityTooLarge

from functions.stream.handler import app
from gateway.api.coding import too_large
from gateway.api.port import CutOff, Port
from gateway.errors import BadRequest, GatewayError, InternalError
from gateway.settings import Settings, settings

MOST_READ = 32 * 1024 * 1024  # of a body: up to here it is read, and refused in peace; beyond, the connection ends
_MOST_HEADERS = 64 * 1024
_MOST_WAITING = 1024 * 1024  # bytes that a client has not taken yet: its stream waits then
_MOST_CONNECTIONS = 1_000


class Parser(HTTPRequestParser):
    """Waitress's, stricter where servers before and behind this one could read the same bytes as two requests."""

    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)
        lines = header_plus.split(b"\r\n")[1:]
        names = [line.partition(b":")[0].strip().lower() for line in lines]
        if b"transfer-encoding" in names and (self.version != "1.1" or b"content-length" in names):
            raise ParsingError("Transfer-Encoding beside Content-Length, or before HTTP/1.1")
        if any(line[:1] in (b" ", b"\t") for line in lines):
            raise ParsingError("A header's value over several lines")
        if self.body_rcv is None:
            self.expect_continue = False  # it would wait for a body that does not come


class Refusal(ErrorTask):
    """What could not be read as a request, answered in the shapes of the app."""

    def execute(self) -> None:
        def start(status: str, headers: list[tuple[str, str]]) -> None:
            self.status, self.response_headers = status, headers

        application = cast(Port, self.channel.server.application)
        asked: Any = self.request
        headers = {name.lower().replace("_", "-"): text for name, text in asked.headers.items()}
        path = getattr(asked, "path", "")  # none where the first line can't be read
        (body,) = application.refuse(_fault(asked.error), path, headers, start)
        self.content_length = len(body)
        self.set_close_on_finish()
        self.write(body)


class Channel(HTTPChannel):
    parser_class = Parser
    error_task_class = Refusal


def _fault(error: Error | None) -> GatewayError:
    if isinstance(error, RequestEntityTooLarge):
        return too_large()
    if error is None or isinstance(error, InternalServerError):
        return InternalError()
    return BadRequest(f"The request can't be read: {error.body}.", code="invalid_http")


def listening(application: Port, config: Settings, **others: Any) -> BaseWSGIServer:
    """A server that has its port, and serves once it is run. Raises OSError where the port is taken."""
    server = create_server(
        application,
        host=config.host,
        port=config.port,
        threads=config.threads,
        ident=None,
        channel_request_lookahead=1,  # it goes on reading while a request is served, and so sees a hang-up
        connection_limit=_MOST_CONNECTIONS,
        asyncore_use_poll=True,
        max_request_header_size=_MOST_HEADERS,
        max_request_body_size=MOST_READ,
        outbuf_high_watermark=_MOST_WAITING,
        log_socket_errors=False,
        clear_untrusted_proxy_headers=False,
        **others,
    )
    assert isinstance(server, BaseWSGIServer)  # noqa: S101  one of several for a host name alone
    server.channel_class = Channel
    return server


def is_news(record: logging.LogRecord) -> bool:
    """Whether our own log does not have it: of a body that was cut off (a hang-up is one) it has the reason."""
    return not (record.exc_info and isinstance(record.exc_info[1], CutOff))


def main() -> None:
    # What it says of requests stands in our own log already; a defect of its own is an error there.
    logging.getLogger("waitress").setLevel(logging.ERROR)
    logging.getLogger("waitress").addFilter(is_news)
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
