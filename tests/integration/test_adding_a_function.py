"""To add a function, add a folder: it is built and deployed and answers, without any other change."""

import json
import secrets
import shutil
from pathlib import Path

from tests.integration.conftest import Live, Place
from tools.build import build
from tools.local.deploy import Deployer, Options
from tools.local.emulator import ROOT
from tools.local.gateway import session
from tools.manifest import load

HANDLER = """from gateway.api.http_api import http_api
from gateway.api.message import Request, Response
from gateway.api.routes import Described, Route


def greet(request: Request) -> Response:
    return Response(body={"hello": request.parameters["name"]})


GREETING = {"type": "object", "required": ["hello"], "properties": {"hello": {"type": "string"}}}
ROUTES = (
    Route(
        method_path="GET /greet/{name}",
        handler=greet,
        auth="public",
        scope=None,
        described=Described(summary="A greeting.", answers={200: GREETING}),
    ),
)
handler = http_api("greeter", ROUTES)
"""
DESCRIBED = {
    "description": "A function added on the fly.",
    "handler": "functions.greeter.handler.handler",
    "memory": 128,
    "timeout": 5,
    "routes": {"GET /greet/{name}": "public"},
}


def test_a_folder_is_a_function(gateway: Live, place: Place, tmp_path: Path) -> None:
    for folder in ("functions", "shared", "requirements"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    added = tmp_path / "functions" / "greeter"
    added.mkdir()
    (added / "__init__.py").touch()
    (added / "handler.py").write_text(HANDLER)
    (added / "function.json").write_text(json.dumps(DESCRIBED))

    result = build(gateway.built.target, tmp_path / "out", root=tmp_path, cache=ROOT / ".local" / "dependencies")
    deployer = Deployer(session(place.endpoint), load(tmp_path), f"new-{secrets.token_hex(3)}")
    values = {"GATEWAY_ENVIRONMENT": "new", "GATEWAY_TABLE_PREFIX": deployer.names.prefix}
    deployment = deployer.deploy(result, Options(values=values))
    try:
        other = f"{place.endpoint}/_aws/execute-api/{deployment.api_id}/$default"
        gateway_there = Live(other, {}, deployer, deployment, gateway.fake, place.endpoint, load(tmp_path), result)
        reply = gateway_there.call("GET", "/greet/you")
        assert (reply.status, reply.body) == (200, {"hello": "you"})
    finally:
        deployer.remove(deployment)
