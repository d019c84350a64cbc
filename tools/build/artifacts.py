"""Builds all that is deployed, as zips: one for each function, their shared dependencies, the gateway's own code."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from tools.build.archive import files_below, write_zip
from tools.build.dependencies import compile_pyc, installed, needed
from tools.build.target import BuildError, Target

ROOT = Path(__file__).resolve().parent.parent.parent
LAYERS = ("layer-dependencies", "layer-gateway")
# Files of a function's folder. Only the OpenAPI document uses answers.py: no function loads it.
_UNNEEDED = ("*.md", "requirements.*", "function.json", "answers.py")
_CODE = "/var/task"
_LAYER = "/opt/python"
_LAMBDA_LIMIT = 250 * 1024 * 1024  # a function and its layers, unzipped


@dataclass(frozen=True, slots=True)
class Artifact:
    """A zip. `file` is its name in the output folder. `sha256_base64` is the form that Lambda and Terraform compare."""

    file: str
    sha256: str
    sha256_base64: str
    bytes: int
    unzipped: int


@dataclass(frozen=True, slots=True)
class BuildResult:
    """`artifacts` by name: `layer-dependencies`, `layer-gateway`, and the folder name of each function."""

    folder: Path
    target: Target
    artifacts: Mapping[str, Artifact]

    def path(self, name: str) -> Path:
        return self.folder / self.artifacts[name].file

    @property
    def compiled(self) -> bool:
        """Whether it has `.pyc` files. Without them, start-up takes twice the CPU."""
        return self.target.interpreter is not None


def build(
    target: Target,
    out: Path,
    root: Path = ROOT,
    cache: Path | None = None,
    extra: tuple[str, ...] = (),
    place: Path | None = None,
) -> BuildResult:
    """Build everything below `root` into `out`, and write a manifest.json there. Raises BuildError.

    `cache` keeps installed dependencies; `extra` are further arguments for uv (an offline build's sources). `place` is
    the folder in which the build makes its temporary one, if not the system's.
    """
    cache = cache or root / ".local" / "dependencies"
    out.mkdir(parents=True, exist_ok=True)
    layer = root / "requirements" / "layer.txt"
    artifacts = {}
    with tempfile.TemporaryDirectory(dir=place) as scratch:
        site = installed(needed(layer), target, cache, _LAYER, extra)
        artifacts["layer-dependencies"] = _archive(out, "layer-dependencies", files_below(site, "python/"))
        code = _compiled(root / "shared" / "gateway", Path(scratch) / "gateway", target, f"{_LAYER}/gateway")
        own = files_below(code, "python/gateway/") | {"python/cors.json": root / "shared" / "cors.json"}
        artifacts["layer-gateway"] = _archive(out, "layer-gateway", own)
        for folder in sorted(path.parent for path in root.glob("functions/*/function.json")):
            entries = _function(folder, layer, target, cache, Path(scratch), extra)
            artifacts[folder.name] = _archive(out, folder.name, entries)
    _check_sizes(artifacts)
    manifest = {name: asdict(artifact) for name, artifact in sorted(artifacts.items())}
    (out / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    return BuildResult(out, target, artifacts)


def _function(
    folder: Path, layer: Path, target: Target, cache: Path, scratch: Path, extra: tuple[str, ...]
) -> dict[str, Path | bytes]:
    name = f"functions/{folder.name}"
    code = _compiled(folder, scratch / name, target, f"{_CODE}/{name}", _UNNEEDED)
    entries: dict[str, Path | bytes] = {"functions/__init__.py": b"", **files_below(code, f"{name}/")}
    lock = folder / "requirements.txt"
    if lock.exists():
        site = installed(needed(lock, layer), target, cache, _CODE, extra)
        entries.update(files_below(site))
    return entries


def _compiled(source: Path, copy: Path, target: Target, prefix: str, unneeded: tuple[str, ...] = ()) -> Path:
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__", *unneeded))
    compile_pyc(copy, target, prefix)
    return copy


def _archive(out: Path, name: str, entries: Mapping[str, Path | bytes]) -> Artifact:
    file = out / f"{name}.zip"
    unzipped = write_zip(file, entries)
    data = file.read_bytes()
    digest = hashlib.sha256(data)
    return Artifact(file.name, digest.hexdigest(), base64.b64encode(digest.digest()).decode(), len(data), unzipped)


def _check_sizes(artifacts: Mapping[str, Artifact]) -> None:
    layers = sum(artifacts[name].unzipped for name in LAYERS)
    for name, artifact in artifacts.items():
        if name not in LAYERS and artifact.unzipped + layers > _LAMBDA_LIMIT:
            raise BuildError(f"{name}: {artifact.unzipped + layers} bytes with its layers; Lambda allows {_LAMBDA_LIMIT}")
