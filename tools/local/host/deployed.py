"""A function as deployed: its code and layers, unpacked once for all its processes, and its variables."""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
import threading
import urllib.request
import uuid
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3


@dataclass(frozen=True, slots=True)
class Deployed:
    """One version of a function. `stream` names its log stream."""

    code: Path
    environment: Mapping[str, str] = field(repr=False)
    stream: str


class Lambda:
    """The emulator's Lambda API, for the host of its functions. Code is unpacked in `folder`."""

    def __init__(self, endpoint: str, region: str, account: str, folder: Path | None = None) -> None:
        self._endpoint, self._region, self._account = endpoint, region, account
        self._folder = folder or Path(tempfile.gettempdir()) / "code"
        self._unpacking = threading.Lock()

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self._endpoint,
            region_name=self._region,
            aws_access_key_id=self._account,
            aws_secret_access_key="test",  # noqa: S106  the emulator's
        )

    def get(self, name: str, version: str) -> Deployed:
        """A version of a function, as it was deployed."""
        functions = self.client("lambda")
        found = functions.get_function(FunctionName=name, Qualifier=version)
        config = found["Configuration"]
        code = self._unpacked(found["Code"]["Location"], config["CodeSha256"])
        layers = []
        for layer in config.get("Layers", ()):
            content = functions.get_layer_version_by_arn(Arn=layer["Arn"])["Content"]
            layers.append(self._unpacked(content["Location"], content["CodeSha256"]))
        stream = f"host/[{version}]{uuid.uuid4().hex}"
        return Deployed(code, self._environment(config, code, layers, stream), stream)

    def _environment(self, config: Mapping[str, Any], code: Path, layers: list[Path], stream: str) -> dict[str, str]:
        """Lambda's variables for a process. The function's own code comes before its layers' `python` folders."""
        given = config.get("Environment", {}).get("Variables", {})
        return {
            "PATH": os.environ.get("PATH", ""),
            "HOME": os.environ["HOME"],
            "TMPDIR": tempfile.gettempdir(),
            "AWS_ENDPOINT_URL": self._endpoint,
            **{name: value for name, value in given.items() if name != "MINISTACK_LAMBDA_PROXY_URL"},
            "PYTHONPATH": os.pathsep.join(str(each) for each in [code, *(layer / "python" for layer in layers)]),
            "AWS_REGION": self._region,
            "AWS_DEFAULT_REGION": self._region,
            "AWS_ACCESS_KEY_ID": self._account,
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_LAMBDA_FUNCTION_NAME": config["FunctionName"],
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(config["MemorySize"]),
            "AWS_LAMBDA_FUNCTION_VERSION": config["Version"],
            "AWS_LAMBDA_LOG_STREAM_NAME": stream,
            "LAMBDA_TASK_ROOT": str(code),
            "_HANDLER": config["Handler"],
        }

    def _unpacked(self, location: str, digest: str) -> Path:
        """The folder of an unpacked zip. Each content is unpacked only once."""
        folder = self._folder / hashlib.sha256(digest.encode()).hexdigest()[:32]
        with self._unpacking:
            if not folder.exists():
                with urllib.request.urlopen(location, timeout=60) as reply:  # noqa: S310  the emulator's own
                    archive = zipfile.ZipFile(io.BytesIO(reply.read()))
                scratch = folder.with_suffix(".part")
                archive.extractall(scratch)
                scratch.rename(folder)
        return folder
