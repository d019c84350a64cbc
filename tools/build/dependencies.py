"""Installs locked dependencies for a target. Each set has its own folder, which is kept until lock or target change."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from tools.build.target import BuildError, Target

_PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*])?==[^\n\\]*(?:\\\n[^\n\\]*)*", re.MULTILINE)
_RUNTIME = ("boto3", "botocore", "s3transfer", "jmespath", "python-dateutil", "six", "urllib3")
_NEEDLESS = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")


def pins(lock: Path) -> dict[str, str]:
    """The entries of a lock by name, with their hashes."""
    return {match[1]: match[0] for match in _PIN.finditer(lock.read_text(encoding="utf-8"))}


def needed(lock: Path, *already: Path) -> str:
    """The lock's entries that neither the runtime nor the given locks contain. Raises BuildError if versions differ."""
    brought = {name: entry for other in already for name, entry in pins(other).items()}
    entries = []
    for name, entry in pins(lock).items():
        if name in _RUNTIME:
            continue
        other = brought.get(name)
        if other is None:
            entries.append(entry)
        elif _version(other) != _version(entry):
            raise BuildError(f"{lock}: {name} differs from the layer's: {_version(entry)} and {_version(other)}")
    return "\n".join(entries) + "\n"


def installed(requirements: str, target: Target, cache: Path, prefix: str, extra: tuple[str, ...] = ()) -> Path:
    """A folder with these locked requirements, installed for a target. The paths in its `.pyc` begin with `prefix`.

    `extra` are further arguments for uv. Raises BuildError with uv's own message.
    """
    identity = "\n".join([requirements, target.python, str(target.platform), str(target.interpreter), prefix, *extra])
    folder = cache / hashlib.sha256(identity.encode()).hexdigest()[:20]
    if (folder / ".complete").exists():
        return folder / "site"
    cache.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=cache, prefix=".making-"))
    try:
        site = made / "site"
        site.mkdir()
        if requirements.strip():
            _install(requirements, target, made, extra)
        _clean(site)
        compile_pyc(site, target, prefix)
        (made / ".complete").touch()
        made.chmod(0o755)
        if not (folder / ".complete").exists():  # another build may have finished first
            shutil.rmtree(folder, ignore_errors=True)
            with suppress(OSError):
                made.rename(folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    if not (folder / ".complete").exists():
        raise BuildError(f"{folder} can't be written")
    return folder / "site"


def compile_pyc(folder: Path, target: Target, prefix: str) -> None:
    """Compile a folder for the target's Python. `.pyc` have hashes, not times: the same source gives the same bytes."""
    if target.interpreter is None:
        return
    command = [str(target.interpreter), "-m", "compileall", "-q", "-j", "0", "-s", str(folder), "-p", prefix]
    run = subprocess.run(
        [*command, "--invalidation-mode", "unchecked-hash", str(folder)], capture_output=True, text=True, check=False
    )
    if run.returncode:
        raise BuildError(f"compiling failed: {run.stdout}{run.stderr}")


def _install(requirements: str, target: Target, folder: Path, extra: tuple[str, ...]) -> None:
    lock = folder / "requirements.txt"
    lock.write_text(requirements, encoding="utf-8")
    uv = Path(sys.prefix) / "bin" / "uv"
    command = [str(uv), "pip", "install", "--quiet", "--require-hashes", "--no-deps", "--only-binary", ":all:"]
    command += ["--python-version", target.python, "--target", str(folder / "site"), "-r", str(lock), *extra]
    command += ["--python-platform", target.platform] if target.platform else ["--python", str(target.interpreter)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        raise BuildError(f"uv could not install the locked dependencies:\n{run.stderr.strip()}")


def _clean(site: Path) -> None:
    for path in sorted(site.rglob("*"), reverse=True):
        if path.suffix == ".pth":
            # A .pth file can run code at every start of the interpreter. None of our dependencies needs that.
            raise BuildError(f"a dependency brings {path.relative_to(site)}: .pth files are refused")
        if path.is_dir() and path.name in ("__pycache__", "bin"):
            shutil.rmtree(path)
        elif path.parent.name.endswith(".dist-info") and path.name in _NEEDLESS:
            path.unlink()
        elif path.name == ".lock" and path.parent == site:
            path.unlink()


def _version(entry: str) -> str:
    return entry.partition("==")[2].split()[0].rstrip("\\;")
