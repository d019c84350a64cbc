"""A WSGI application on a port, on the same server that the streaming function runs, and a client that controls every
byte that it sends."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from msgspec.structs import replace

from functions.stream.server import listening
from gateway.api.port import Port
from gateway.settings import Settings

_SECONDS = 20.0


@contextmanager
def served(application: Port, settings: Settings, **others: Any) -> Iterator[int]:
    """The port of the server, which runs until the block ends. `others` are the server's own settings."""
    server: Any = listening(
        application, replace(settings, host="127.0.0.1", port=0, threads=16), asyncore_loop_timeout=0.02, **others
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield int(server.effective_port)
    finally:
        server.task_dispatcher.shutdown()
        for channel in list(server.active_channels.values()):
            channel.will_close = True
        server.close()
        thread.join(_SECONDS)
        assert not thread.is_alive()


def opened(port: int, sent: bytes) -> socket.socket:
    """A connection on which this was sent."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=_SECONDS)
    connection.sendall(sent)
    return connection


def until(connection: socket.socket, text: bytes) -> bytes:
    """The bytes up to and including this text, or to the end."""
    came = b""
    while text not in came and (piece := connection.recv(65_536)):
        came += piece
    return came


def exchanged(port: int, sent: bytes) -> bytes:
    """Everything that comes back until the server ends the connection."""
    with opened(port, sent) as connection:
        return b"".join(iter(lambda: connection.recv(65_536), b""))
