"""One port for both doors: `/v1` and everything below it goes to the streaming door, all else to the HTTP API.

It reads the head of a connection's first request, and asks the door to close the connection after its answer. Then it
passes bytes on as they come, in both directions: chunks stay chunks, and a hang-up on one side is one on the other too.
`ROUTER_PORT`, `HTTP_PORT` and `STREAM_PORT` set the ports.
"""

from __future__ import annotations

import asyncio
import os
import re
from contextlib import suppress

_MOST_HEAD = 64 * 1024
_CONNECT_SECONDS = 15.0  # a door may be restarting
_STREAMED = re.compile(rb"[A-Z]+ /v1(?=[/? ])|HEAD / ")
_CONNECTION = re.compile(rb"\r\n(connection|keep-alive):[^\r\n]*", re.IGNORECASE)
_NOBODY = (
    b"HTTP/1.1 502 Bad Gateway\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 40\r\n\r\n"
    b'{"message":"This door does not answer."}'
)

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _head(reader: asyncio.StreamReader) -> bytes:
    """A request's head, with `connection: close`. If the bytes are no complete head, it returns what there is."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as over:
        return over.partial
    except asyncio.LimitOverrunError:
        return await reader.read(_MOST_HEAD)  # the door answers with the error
    line, end, rest = _CONNECTION.sub(b"", head).partition(b"\r\n")
    return line + end + b"connection: close\r\n" + rest


async def _connected(port: int) -> Streams | None:
    deadline = asyncio.get_running_loop().time() + _CONNECT_SECONDS
    while True:
        try:
            return await asyncio.open_connection("127.0.0.1", port, limit=_MOST_HEAD)
        except OSError:
            if asyncio.get_running_loop().time() > deadline:
                return None
            await asyncio.sleep(0.05)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(_MOST_HEAD):
            writer.write(data)
            await writer.drain()
    with suppress(OSError):  # also when the one side was reset: the other must not wait for it
        writer.write_eof()


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, http: int, stream: int) -> None:
    there = None
    try:
        head = await _head(reader)
        if not head:
            return
        there = await _connected(stream if _STREAMED.match(head) else http)
        if there is None:
            writer.write(_NOBODY)
            return
        there[1].write(head)
        asking = asyncio.create_task(_pass_on(reader, there[1]))
        await _pass_on(there[0], writer)  # the connection ends with the answer
        asking.cancel()
    except OSError:
        pass  # one side has gone, so close the other too
    finally:
        for each in (there[1], writer) if there else (writer,):
            with suppress(OSError, RuntimeError):
                each.close()


async def main() -> None:
    http, stream = int(os.environ["HTTP_PORT"]), int(os.environ["STREAM_PORT"])
    server = await asyncio.start_server(
        lambda reader, writer: _serve(reader, writer, http, stream),
        "127.0.0.1",
        int(os.environ["ROUTER_PORT"]),
        limit=_MOST_HEAD,
        backlog=1024,
    )
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
