"""The port of both doors: what a client does to its connection is done to the door's."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tools.local import router
from tools.local.emulator import free_port

ASKED = b"GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n"


@pytest.fixture
def door() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(30)
        yield listening


@pytest.fixture
def port(door: socket.socket) -> Iterator[int]:
    """The router, which has the door on both of its sides."""
    port = free_port()
    there = str(door.getsockname()[1])
    ports = {"ROUTER_PORT": str(port), "HTTP_PORT": there, "STREAM_PORT": there}
    with subprocess.Popen([sys.executable, str(Path(router.__file__))], env=os.environ | ports) as process:
        yield port
        process.terminate()


def connected(port: int) -> socket.socket:
    """A connection to the router, as soon as it listens."""
    deadline, pause = time.monotonic() + 60, threading.Event()
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=30)
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
            pause.wait(0.05)


@pytest.mark.parametrize("how", ["closes", "resets"])
def test_a_hang_up_reaches_the_door_at_once(door: socket.socket, port: int, how: str) -> None:
    client = connected(port)
    client.sendall(ASKED)
    there, _ = door.accept()
    with closing(there):
        there.settimeout(30)
        assert there.recv(4_096).endswith(b"\r\n\r\n")
        if how == "resets":
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        assert there.recv(4_096) == b""
