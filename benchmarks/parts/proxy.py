"""A bare proxy on httpx and uvicorn: it passes a request on to `upstream` and the answer back, and does nothing else.

Run: python proxy.py <upstream> <port> httpx|httpx2. `GET /cpu` says how many seconds of CPU its process has used.
"""

from __future__ import annotations

import importlib
import sys
import time
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

UPSTREAM, PORT, LIBRARY = sys.argv[1], int(sys.argv[2]), sys.argv[3]
CLIENT: Any = importlib.import_module(LIBRARY).AsyncClient(timeout=28)
OF_THE_CONNECTION = {"host", "content-length", "connection", "transfer-encoding", "date", "server"}


async def forward(request: Request) -> Response:
    body = await request.body()
    headers = {name: value for name, value in request.headers.items() if name not in OF_THE_CONNECTION}
    if b'"stream": true' in body:
        asked = CLIENT.build_request(request.method, UPSTREAM + request.url.path, content=body, headers=headers)
        stream = await CLIENT.send(asked, stream=True)
        kind = stream.headers["content-type"]
        return StreamingResponse(
            stream.aiter_raw(), stream.status_code, media_type=kind, background=BackgroundTask(stream.aclose)
        )
    reply = await CLIENT.request(request.method, UPSTREAM + request.url.path, content=body, headers=headers)
    back = {name: value for name, value in reply.headers.items() if name not in OF_THE_CONNECTION}
    return Response(reply.content, reply.status_code, back)


async def cpu(_: Request) -> Response:
    return PlainTextResponse(str(time.process_time()))


APPLICATION = Starlette(routes=[Route("/cpu", cpu), Route("/{path:path}", forward, methods=["POST"])])

if __name__ == "__main__":
    uvicorn.run(APPLICATION, host="127.0.0.1", port=PORT, log_level="warning", access_log=False)
