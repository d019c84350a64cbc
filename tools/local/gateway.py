"""Starts, deploys and seeds a whole gateway on an emulator, and ends it without a trace."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from localstack_client.session import Session

from tools.build import BuildResult, build, local_target
from tools.local import demo, llm, seed
from tools.local.deploy import ALIAS, Deployer, Deployment
from tools.local.emulator import ACCOUNT, REGION, ROOT, VENV, Emulator, start
from tools.local.modes import BEDROCK_URL, options
from tools.manifest import Manifest, Names, load

BUILD = ROOT / "build" / "local"


@dataclass(slots=True)
class Gateway:
    """A running gateway. `keys` are demo keys by name: free, basic, premium, enterprise, admin. `sources` is the digest
    of its sources."""

    emulator: Emulator
    deployer: Deployer
    deployment: Deployment
    built: BuildResult
    keys: dict[str, str]
    sources: str


def session(endpoint: str) -> Session:
    """A session for an emulator at an endpoint. It has fixed credentials, never the user's."""
    account = {"aws_access_key_id": ACCOUNT, "aws_secret_access_key": "test"}
    return Session(**account, aws_session_token=None, region_name=REGION, localstack_host=urlsplit(endpoint).netloc)


def built(out: Path = BUILD, place: Path | None = None) -> BuildResult:
    """Build everything, for the interpreter with which the emulator runs functions. `place` is as for `build`."""
    return build(local_target(VENV / "bin" / "python"), out, place=place)


def sources(root: Path = ROOT) -> str:
    """A digest of all sources of the build. It stays equal if nothing changed."""
    found = hashlib.sha256()
    for folder in ("functions", "shared", "requirements", "tools/build", "tools/manifest"):
        for path in sorted((root / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                found.update(f"{path.relative_to(root)}\0".encode())
                found.update(hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()


def made(
    emulator: Emulator,
    mode: str,
    progress: Callable[[str], None],
    manifest: Manifest | None = None,
    result: BuildResult | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Gateway:
    """Build, deploy and seed a gateway on a running emulator."""
    progress("build")
    source = sources()
    result = result or built(place=emulator.folder)  # which is removed even if this process is killed
    deployer = Deployer(session(emulator.endpoint), manifest or load(ROOT), "local", progress)
    wanted = options(mode, deployer.names, environ, api_id=emulator.api_id, host_url=emulator.host_url)
    deployment = deployer.deploy(result, wanted)
    progress("streaming door")
    emulator.listen(deployment.functions["stream"], ALIAS)
    progress("demo keys and products")
    database = seed.database(emulator.endpoint, REGION, ACCOUNT)
    keys = seed.seed_keys(database, deployer.names)
    if mode in ("emulator", "anthropic"):
        seed.seed_models(database, deployer.names)
    elif mode == "local":
        seed.seed_models(database, deployer.names, llm.TARGET, llm.PRICE)
    seed.seed_products(database, deployer.names)
    return Gateway(emulator, deployer, deployment, result, keys, source)


@contextmanager
def running(port: int | None, mode: str, progress: Callable[[str], None], *, split: bool = False) -> Iterator[Gateway]:
    """A gateway on a port (a free one if None) for the duration of the block. `split` gives each door its own port.
    Raises EmulatorError, BuildError."""
    with ExitStack() as stack:
        environ: Mapping[str, str] = os.environ
        if mode == "local":
            progress("small model")
            environ = stack.enter_context(llm.serving(llm.command())).environ()
        options(mode, Names("local", REGION), environ)  # report missing variables at once
        if mode != "bedrock" and not environ.get(BEDROCK_URL):
            environ = {**environ, BEDROCK_URL: stack.enter_context(demo.serving())}
        progress("emulator")
        emulator = start(port, split=split)
        stack.callback(emulator.stop)
        yield made(emulator, mode, progress, environ=environ)


class Steps:
    """Prints each step as it begins, with the seconds since the first one."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started

    def __call__(self, step: str) -> None:
        print(f"  {self.seconds:5.1f} s  {step}", flush=True)
